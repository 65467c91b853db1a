import blindspots as bs

model = bs.load_model("zoo:shapes-resnet-at")
images = bs.load_images("sample:shapes", model)
sources, targets = images.images[[0, 0]], images.images[[2, 8]]
result = bs.traverse(model, sources, targets)
print([f"{one:.2f}" for one in result.confidence.tolist()], [f"{one.rmse:.2f}" for one in result])
hull = bs.triangle(model, sources[0], *result.found, int(result.label[0]))
print(f"inside the triangle: {hull.fraction(0.2):.0%}")
