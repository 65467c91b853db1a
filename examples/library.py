"""From one image towards two others: the model's confidence there, and on the way between.

Run it as `python examples/library.py`; it takes seconds and needs no network.
"""

import blindspots as bs


def main() -> None:
    """Traverse, then look at the segments and at the triangle."""
    model = bs.load_model("zoo:shapes-resnet-at")
    images = bs.load_images("sample:shapes?n=20", model)
    label, names = int(images.labels[0]), images.class_names
    others = [i for i in range(len(images)) if images.labels[i] != label][:2]
    sources, targets = images.images[[0, 0]], images.images[others]

    method = bs.Reference(max_steps=100)
    result = bs.traverse(model, sources, targets, labels=[label, label], method=method)
    for i, found in enumerate(result.found):
        line = bs.segment(model, sources[i], found, label)
        print(f"from {names[label]} towards {names[int(images.labels[others[i]])]}:")
        print(f"  confidence {result.p_source[i]:.4f} → {result.confidence[i]:.4f}")
        print(f"  segment: mean {line.mean:.4f}, at least {line.minimum:.4f}")

    hull = bs.triangle(model, sources[0], result.found[0], result.found[1], label)
    print(f"triangle: mean {hull.mean:.4f}, {hull.fraction(0.2):.0%} within 0.2 of the source")


if __name__ == "__main__":
    main()
