# ruff: noqa: E501
"""Refusals whose advice is followed: what is wrong, words of the advice, and what it says to do.

The code is run as it stands, by `tests/system/test_advice_followed.py`, which says what the names in
it are. `{place}` is a folder of the case's own.
"""

from tests.support import advised_network, advised_states

ARGUMENTS = r"""
segment('zoo', x, y, 0)
    type blindspots.load_model('zoo:shapes-resnet')
    load_model('zoo:shapes-resnet')
traverse(toy, bytes8, y)
    type sources / 255
    traverse(toy, bytes8 / 255, y)
segment(toy, two, y, 0)
    type source[0]
    segment(toy, two[0], y, 0)
traverse(toy, two, two, [0])
    expected one per pair
    traverse(toy, two, two, [0, 1])
segment(toy, x, y, [0, 1])
    as in label=3
    segment(toy, x, y, label=1)
traverse(toy, two, two, 'a')
    as in labels=[3, 7], or None
    traverse(toy, two, two, labels=[1, 0]), traverse(toy, two, two, None)
segment(toy, x, y, 7)
    type int(model(image).argmax())
    segment(toy, x, y, int(toy(x[None]).argmax()))
segment(toy, x, y, 0, score='margin')
    type score=None
    segment(toy, x, y, 0, score=None), segment(toy, x, y, 0, score=Margin())
traverse(toy, x, y, method='referense')
    did you mean reference
    traverse(toy, x, y, method='reference')
traverse(toy, x, y, method=3)
    type method='star' or method=blindspots.Star()
    traverse(toy, x, y, method='star'), traverse(toy, x, y, method=Star())
traverse(toy, two, random_images(3))
    as many of the one as of the other (a single one goes with all)
    traverse(toy, two, two), traverse(toy, two, x)
traverse(toy, [x, x[:, :2]], y)
    type torch.stack
    traverse(toy, torch.stack([x, x]), y)
traverse(toy, 'a.png', y)
    type blindspots.load_images('folder:photos', model).images
    load_images(photos, tiny).images
traverse(toy, two.permute(0, 2, 3, 1), y)
    type sources.permute(0, 3, 1, 2)
    traverse(toy, two.permute(0, 2, 3, 1).permute(0, 3, 1, 2), y)
traverse(toy, 255 * x, y)
    divide 8-bit images by 255
    traverse(toy, 255 * x / 255, y)
triangle(toy, x, y, y, 0, grid='reference').plot()
    type blindspots.triangle(…, grid='full').plot()
    triangle(toy, x, y, y, 0, grid='full').plot()
segment(toy, x, y, 0, points=1)
    as in points=101
    segment(toy, x, y, 0, points=101)
triangle(toy, x, y, y, 0, steps=0)
    as in steps=10
    triangle(toy, x, y, y, 0, steps=10)
simplex(toy, x, two, 0, samples=0)
    as in samples=2000
    simplex(toy, x, two, 0, samples=2000)
BlindSpot(labelled, sources=1, method=Reference(delta=0.2, max_steps=2)).compute()
    type metric.update(model) first
    updated(BlindSpot(labelled, sources=1, method=Reference(delta=0.2, max_steps=2)), tiny).compute()
BlindSpot((pictures[:2], [0, 0])).update(tiny)
    give more images, with their classes
    BlindSpot((pictures, classes), sources=1, method=Reference(delta=0.2, max_steps=2)).update(tiny)
compare()
    type blindspots.compare('before', 'after')
    compare(finished)
compare(finished, table='medians')
    type table='distance'
    compare(finished, table='distance')
doctor(nn.Flatten())
    type blindspots.Classifier(module, size=224)
    doctor(Classifier(Flat(), size=4), (random_images(6), [0, 1, 0, 1, 0, 1]))
metrics.rmse(x, pictures[0])
    resize one of them
    metrics.rmse(x, nn.functional.interpolate(pictures[:1], size=(4, 4)))
open_run(3)
    type blindspots.open_run('demo')
    open_run(str(finished))
open_run(finished).table('medians')
    expected one of
    open_run(finished).table('summary')
open_run(finished).check(max={'rmse': math.nan})
    type max={'rmse': 0.5}
    open_run(finished).check(max={'rmse': 0.5})
run(model=[], images=photos, out=place / 'out')
    type model='zoo:shapes-resnet'
    quick(model=tiny, images=photos, out=place / 'out')
run(model=tiny, images=photos, out=place / 'out', backend='processes')
    type backend='serial'
    quick(model=tiny, images=photos, out=place / 'out', backend='serial')
run(model=tiny.module, images=photos, out=place / 'out')
    type blindspots.Classifier(module, size=224)
    quick(model=Classifier(tiny.module, size=12, class_names=NAMES), images=photos, out=place / 'out')
traverse(toy, x, y).path
    type blindspots.traverse(…, snapshots=12)
    traverse(toy, x, y, snapshots=12).path
traverse(toy, x, y, ids=['a\nb']).save(place / 'r.safetensors')
    expected ids of one line
    traverse(toy, x, y, ids=['a']).save(place / 'r.safetensors')
Traversals.load(put('r.safetensors', b'no'))
    type result.save('result.safetensors')
    Traversals.load(traverse(toy, x, y).save(place / 'r.safetensors'))
imageless().rmse
    traverse again and save that
    Traversals.load(traverse(toy, x, y).save(place / 'r.safetensors')).rmse
traverse(toy, two, two, ids=['a'])
    expected one per pair
    traverse(toy, two, two, ids=['a', 'b'])
traverse(toy, two, two, groups=['a', 'a'])
    leave groups out
    traverse(toy, two, two)
traverse(toy, x, y, batch=0)
    type batch=8
    traverse(toy, x, y, batch=8)
Traversals.load(place / 'none.safetensors')
    type result.save
    Traversals.load(traverse(toy, x, y).save(place / 'none.safetensors'))
Classifier(Flat(), size=4, embeds=True, class_names=('a', 'b'))
    leave the class names away
    Classifier(Flat(), size=4, embeds=True)
"""

CLASSES = r"""
read_class_table(put('n.json', '{"a": 0, "b": 2}'))
    is not
    read_class_table(put('n.json', '{"a": 0, "b": 1}'))
read_class_table(put('n.json', '[["n1", "a"], ["n1", "b"]]'))
    two classes
    read_class_table(put('n.json', '[["n1", "a"], ["n2", "b"]]'))
load_images(folders('cat', 'dog') + '?map=nowhere.json', tiny)
    names no file
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 1}'), tiny)
load_images(folders('cat', 'dog') + '?map=' + put('m.json', '[1]'), tiny)
    does not hold
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 1}'), tiny)
load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0}'), tiny)
    give each a class index or name
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": "red"}'), tiny)
load_images(folders('cat', 'dog') + '?map=identity', tiny)
    expected map=FILE
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 1}'), tiny)
load_images(folders('3', '9') + '?map=identity', tiny)
    give map=FILE
    load_images(folders('3', '9') + '?map=' + put('m.json', '{"3": 0, "9": 1}'), tiny)
load_images(folders('3', '9'), tiny)
    map=FILE
    load_images(folders('3', '9') + '?map=' + put('m.json', '{"3": 0, "9": 1}'), tiny)
load_images(folders('0', '2'), tiny)
    add map=identity
    load_images(folders('0', '2') + '?map=identity', tiny)
load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 7}'), tiny)
    expected an index from 0 to 2
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 2}'), tiny)
load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": "rde", "dog": 1}'), tiny)
    did you mean red
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": "red", "dog": 1}'), tiny)
load_images(folders('cat', 'dog'), tiny)
    map=
    load_images(folders('cat', 'dog') + '?map=' + put('m.json', '{"cat": 0, "dog": 1}'), tiny)
load_images(folders('cat', 'dog'), classes=put('n.txt', 'cow\nemu'))
    --classes FILE or map=FILE
    load_images(folders('cat', 'dog'), classes=put('n.txt', 'cat\ndog'))
load_images(folders('3', '9'), classes=put('n.txt', 'cow\nemu'))
    map=
    load_images(folders('3', '9') + '?map=' + put('m.json', '{"3": 0, "9": 1}'))
load_images(folders('cat', 'dog'), tiny, classes=put('n.txt', 'cat\ndog'))
    one entry per class of the model
    load_images(folders('cat', 'dog'), tiny, classes=put('n.txt', 'cat\ndog\nemu'))
load_images((two, [0.5, 1]))
    expected a name or a whole number from 0
    load_images((two, [0, 1]))
load_images(table(label=[0.5, 1.0]), toy)
    give the classes as those
    load_images(table(label=[0.0, 1.0]), toy)
"""

IMAGES = r"""
load_images(photos + '/nothing', tiny)
    type folder:DIR
    load_images(photos, tiny)
load_images('folder:' + broken_pictures(), tiny)
    holds no readable image
    load_images(photos, tiny)
load_images(twice_named(), tiny).find('a.png')
    give the id or the whole path
    load_images(twice_named(), tiny).find('red/a.png')
load_images(photos, tiny).find('rde-1')
    did you mean red-1
    load_images(photos, tiny).find('red-1')
load_images(sizes()).take([0, 1])
    give load_images a model
    load_images(sizes(), tiny).take([0, 1])
load_images('sample:shapes?split=tset', shapes)
    did you mean test
    load_images('sample:shapes?split=test&n=2', shapes)
load_images('sample:shapes?seed=-1', shapes)
    type seed=100
    load_images('sample:shapes?seed=100&n=2', shapes)
load_images('sample:shape', shapes)
    type sample:shapes
    load_images('sample:shapes?n=2', shapes)
load_images(photos + '?lable=x', tiny)
    type folder:
    load_images(photos, tiny)
load_images('sample:shapes?n=many', shapes)
    type n=100
    load_images('sample:shapes?n=100', shapes)
load_images('files:' + path_of(photos) + '/red', tiny)
    type folder:
    load_images('folder:' + path_of(photos) + '/red', tiny)
load_images('parquet:' + path_of(photos) + '/red', tiny)
    /red/*
    load_images(table(label=[0, 1]).replace('t.parquet', '*'), toy)
load_images('files:' + path_of(photos) + '/red/none.png', tiny)
    there is no file
    load_images('files:' + path_of(photos) + '/red/red-1.png', tiny)
load_images('hf:' + path_of(photos) + ':train?split=test', tiny)
    say one, as hf:
    load_images('hf:' + path_of(photos) + ':train', tiny)
load_images('hf:' + path_of(photos) + ':tset', tiny)
    type hf:
    load_images('hf:' + path_of(photos), tiny)
load_images((two, [0]))
    type blindspots.load_images((images, classes), model)
    load_images((two, [0, 1]), toy)
load_images({1: 2})
    type blindspots.load_images([PIL.Image.open('cat.png')], model)
    load_images([picture(0)], tiny)
load_images([3])
    type torchvision.transforms.functional.to_pil_image(x)
    load_images([to_pil_image(x)], tiny)
load_images([2 * x - 1])
    leave a normalisation out of the data set
    load_images([x])
load_images('parquet:' + put('a.parquet', b'PAR1'), toy)
    copy or write it again
    load_images(table(label=[0, 1]), toy)
load_images('parquet:' + put('b.parquet', cut(table_bytes())), toy)
    copy or write it again
    load_images('parquet:' + put('b.parquet', table_bytes()), toy)
load_images('parquet:' + other_columns() + '/*', toy)
    name those of one
    load_images('parquet:' + other_columns() + '/a.parquet', toy)
load_images(numbers_alone(), toy)
    expected one of bytes
    load_images(table(label=[0, 1]), toy)
load_images(table(label=[0, 1]) + '?label=lable', toy)
    did you mean label
    load_images(table(label=[0, 1]) + '?label=label', toy)
load_images(table(label=[0, 1]) + '?label=zebra', toy)
    leave label= out
    load_images(table(label=[0, 1]), toy)
load_images(table(name='front', back=None), toy)
    say which by image=front
    load_images(table(name='front', back=None) + '?image=front', toy)
load_images('webdataset:' + put('a.tar', gzip.compress(shard_bytes())), toy)
    unpack it first, as by gunzip
    load_images(shard(), toy)
load_images('webdataset:' + put('c.tar', shard_bytes()[:700]), toy)
    copy or write it again
    load_images(shard(), toy)
load_images('webdataset:' + put('c.tar', shard_bytes()[:-9000]), toy)
    copy or write it again
    load_images(shard(), toy)
load_images(shard() + '?image=jgp', toy)
    leave image= out
    load_images(shard(), toy)
load_images(metadata('file_name,label\n' + 200_000 * 'x'), tiny)
    write it again
    load_images(metadata('file_name,label\na.png,red\n'), tiny)
"""

WEIGHTS = r"""
load_model(small + 'weights=' + saved('w.pth', [1, 2]))
    save model.state_dict()
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'weights=' + put('w.safetensors', b'no'))
    fetch or save it again
    load_model(small + 'weights=' + tensors('w.safetensors', net().state_dict()))
load_model(small + 'weights=' + put('w.pth', b'no'))
    save model.state_dict() by torch.save
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'weights=' + put('w.pth', cut(saved_bytes(net().state_dict()))))
    fetch or save it again
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'weights=' + saved('w.pth', net()))
    convert it once
    load_model(small + 'weights=' + converted(place / 'w.pth'))
load_model(small + 'weights=' + saved('w.pth', {'state_dict': net().state_dict(), 'hook': Path}))
    convert it once
    load_model(small + 'weights=' + converted(place / 'w.pth'))
load_model(small + 'weights=' + saved('w.pth', {k: v.numpy() for k, v in net().state_dict().items()}))
    convert it once
    load_model(small + 'weights=' + converted(place / 'w.pth'))
load_model(small + 'weights=' + saved('w.pth', {'model': {k: v.numpy() for k, v in net().state_dict().items()}}))
    convert it once
    load_model(small + 'weights=' + converted(place / 'w.pth'))
load_model(small + 'weights=' + saved('w.pth', {'a': net().state_dict(), 'b': net().state_dict()}))
    add entry=a
    load_model(small + 'weights=' + str(place / 'w.pth') + '&entry=a')
load_model(small + 'weights=' + saved('w.pth', beside('a.', 'b.')))
    add entry=a
    load_model(small + 'weights=' + str(place / 'w.pth') + '&entry=a')
load_model(small + 'weights=' + saved('w.pth', {**beside('net.'), 'scale.weight': torch.ones(2)}))
    add entry=net
    load_model(small + 'weights=' + str(place / 'w.pth') + '&entry=net')
load_model(small + 'weights=' + saved('w.pth', net().state_dict()) + '&entry=ema')
    expected one of
    load_model(small + 'weights=' + str(place / 'w.pth'))
load_model(small + 'weights=' + saved('w.pth', {'n.mean': torch.ones(2), 'n.std': torch.ones(2), **beside('m.')}))
    save it without one
    load_model(small + 'weights=' + saved('w.pth', beside('m.')))
load_model(small + 'weights=' + saved('w.pth', as_complex(net().state_dict())))
    in float32
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'weights=' + saved('w.pth', {'a': torch.ones(1)}))
    expected
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'weights=' + str(place / 'none.pth'))
    give a .safetensors or .pth file
    load_model(small + 'weights=' + tensors('w.safetensors', net().state_dict()))
load_model('timm:test_resnet?num_classes=3&weights=' + saved('w.pth', {}) + '&trust_file=true')
    type --trust-file
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
"""

MODELS = r"""
load_model('tim:test_resnet')
    did you mean timm:
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model('file:none.py:build')
    type file:model.py:factory?size=224
    load_model(own + ':build?size=12')
load_model(own)
    does not name a function
    load_model(own + ':build?size=12')
load_model(own + ':biuld')
    did you mean build
    load_model(own + ':build')
load_model(own + ':NAMES')
    is no function but tuple
    load_model(own + ':build')
load_model(factory('raise ValueError(1)', 'f = list') + ':f')
    ValueError
    load_model(factory('import torch', 'f = lambda: torch.nn.Flatten()') + ':f?size=4')
load_model('python:nowhere.models:f')
    No module named 'nowhere'
    load_model('python:tests.support.tiny_model:build')
load_model(factory('', 'f = lambda: 3') + ':f?size=4')
    must return a torch.nn.Module
    load_model(factory('import torch', 'f = lambda: torch.nn.Flatten()') + ':f?size=4')
load_model(factory('import torch', 'f = lambda: torch.nn.Flatten()') + ':f')
    add size=224
    load_model(factory('import torch', 'f = lambda: torch.nn.Flatten()') + ':f?size=224')
load_model(factory('', 'f = lambda a: 3') + ':f?size=4')
    missing 1 required positional argument: 'a'
    load_model(factory('import torch', 'f = lambda a: torch.nn.Flatten()') + ':f?size=4&a=1')
asked(OneLogit())
    torch.cat([0 * z, z], 1)
    asked(then(OneLogit(), lambda z: torch.cat([0 * z, z], 1)))
asked(then(OneLogit(), lambda z: z[:, 0]))
    torch.stack([0 * z, z], 1)
    asked(then(then(OneLogit(), lambda z: z[:, 0]), lambda z: torch.stack([0 * z, z], 1)))
asked(then(Flat(), lambda z: z[:, 0]), embeds=True)
    must return embeddings of shape (batch, features)
    asked(Flat(), embeds=True)
shaped(then(Flat(), lambda z: z[:, 0]))
    a tensor of shape (batch, outputs)
    shaped(Flat())
asked(nn.Sequential(Flat(), nn.Linear(2, 2).double()))
    return net.float() from the factory
    asked(nn.Sequential(Flat(), nn.Linear(2, 2).double()).float())
asked(Second())
    one whose forward(self, x) is net(x, ...)
    asked(around(Second(), lambda net, x: net(x, 3)))
asked(nn.Conv2d(1, 2, 4))
    net(x.mean(1, True))
    asked(then(around(nn.Conv2d(1, 2, 4), lambda net, x: net(x.mean(1, True))), flatten))
asked(then(nn.Conv2d(4, 2, 4), flatten))
    net(torch.cat([x, torch.ones_like(x[:, :1])], 1))
    asked(around(then(nn.Conv2d(4, 2, 4), flatten), padded))
asked(then(nn.AvgPool2d(32), flatten))
    as in size=224
    asked(then(nn.AvgPool2d(32), flatten), size=224)
asked(then(nn.Identity(), lambda z: [][1]))
    try net(torch.rand(2, 3, 4, 4)) in Python
    asked(Flat()), Flat()(torch.rand(2, 3, 4, 4))
Classifier(Viewing(), size=4).lay_out('channels_last')
    type --layout contiguous
    Classifier(Viewing(), size=4).lay_out('contiguous')
load_model('zoo:shapes-resnett')
    did you mean shapes-resnet
    load_model('zoo:shapes-resnet')
load_model('zoo:shapes-resnet?size=8')
    type zoo:shapes-resnet
    load_model('zoo:shapes-resnet')
load_model('onnx:model.onnx')
    torch.export
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + str(place / 'none.pt2'), trust_file=True)
    type exported:model.pt2 --trust-file
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + exported(Flat()))
    add --trust-file (in Python trust_file=True)
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + exported(Flat()) + '?weights=w.pth', trust_file=True)
    leave it away
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + put('m.pt2', b'no'), trust_file=True)
    save it with torch.export.save
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + exported(Flat(), batch=1), trust_file=True)
    export it with dynamic_shapes=({0: torch.export.Dim('batch')},) and two images
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + exported(Two(), inputs=2), trust_file=True)
    export the model with such an example
    load_model('exported:' + exported(Flat()), trust_file=True)
load_model('exported:' + exported(nn.Sequential(Flat(), nn.Dropout()), training=True), trust_file=True)
    export model.eval()
    load_model('exported:' + exported(nn.Sequential(Flat(), nn.Dropout())), trust_file=True)
load_model('timm:test_resnet?num_classes=0&classes=' + put('n.txt', 'a\nb') + '&weights=' + saved('w.pth', net(0).state_dict()))
    leave classes away
    load_model('timm:test_resnet?num_classes=0&weights=' + saved('w.pth', net(0).state_dict()))
load_model('timm:test_resnett')
    did you mean test_resnet
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model('timm:test_resnet?pretrained=false')
    timm:test_resnet?weights=FILE
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model(small + 'depth=3&weights=' + saved('w.pth', net().state_dict()))
    timm cannot build
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model('timm:local-dir:' + timms({'num_classes': 3}, None))
    type hf:
    load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, net()))
load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3, 'pretrained_cfg': {'mean': 'x'}}, net()))
    save
    load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, net()))
load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, None))
    ?weights=FILE
    load_model('timm:local-dir:' + str(place / 'timm') + '?weights=' + saved('w.pth', net().state_dict()))
load_model('timm:test_resnet?mean=a')
    write it as in mean=0.5,0.5,0.5
    load_model(small + 'mean=0.5,0.5,0.5&weights=' + saved('w.pth', net().state_dict()))
load_model('timm:test_resnet?size=big')
    write it as in size=224
    load_model(small + 'size=32&weights=' + saved('w.pth', net().state_dict()))
load_model('timm:test_resnet?entry=a')
    add weights=FILE
    load_model(small + 'entry=a&weights=' + saved('w.pth', {'a': net().state_dict()}))
load_model('torchvision:resnet99')
    did you mean
    load_model('torchvision:squeezenet1_1?weights=' + saved('w.pth', squeezenet1_1().state_dict()))
load_model('torchvision:squeezenet1_1:V9')
    type torchvision:squeezenet1_1
    load_model('torchvision:squeezenet1_1?weights=' + saved('w.pth', squeezenet1_1().state_dict()))
load_model('torchvision:squeezenet1_1?progress=true')
    torchvision:squeezenet1_1?weights=FILE
    load_model('torchvision:squeezenet1_1?weights=' + saved('w.pth', squeezenet1_1().state_dict()))
load_model('torchvision:squeezenet1_1?clases=n.txt')
    did you mean classes= instead of clases=
    load_model('torchvision:squeezenet1_1?num_classes=2&classes=' + put('n.txt', 'a\nb') + '&weights=' + saved('w.pth', squeezenet1_1(num_classes=2).state_dict()))
load_model('torchvision:squeezenet1_1?layers=3&weights=' + saved('w.pth', squeezenet1_1(num_classes=2).state_dict()))
    torchvision cannot build
    load_model('torchvision:squeezenet1_1?num_classes=2&weights=' + saved('w.pth', squeezenet1_1(num_classes=2).state_dict()))
load_model('hf:' + str(place / 'none'))
    expected one that save_pretrained wrote
    load_model('hf:' + vit())
load_model('hf:' + path_of(photos))
    expected a directory that save_pretrained wrote
    load_model('hf:' + vit())
load_model('hf:' + vit(processor=False))
    or say size=, mean= and std=
    load_model('hf:' + vit(processor=False) + '?size=32&mean=0.5&std=0.5')
load_model('hf:' + vit(processor={'crop_pct': 0.6}))
    load the model by file:model.py:factory
    load_model(factory('import transformers as tf', wrapped(vit())) + ':f?size=32&mean=0.5&std=0.5')
load_model('hf:' + vit(lacking='classifier.bias'))
    save or fetch it again
    load_model('hf:' + vit())
load_model('hf:' + vit() + '?wieghts=w.pth')
    did you mean weights= instead of wieghts=
    load_model('hf:' + vit() + '?weights=' + vit() + '/model.safetensors')
load_model('hf:' + vit() + '?num_classes=5')
    expected 0, for the embedding
    load_model('hf:' + vit() + '?num_classes=0')
load_model('hf:' + vit(problem_type='multi_label_classification'))
    torch.stack([0 * z, z], 1)
    load_model(factory('import transformers as tf, torch', wrapped(vit(), 'torch.stack([0 * z, z], 1)')) + ':f?size=32')
load_model('hf:' + two_towers())
    a module whose forward is get_image_features
    load_model(factory('import transformers as tf, torch', towers(two_towers())) + ':f?size=32')
load_model('hf:' + clip())
    type clip:
    load_model('clip:' + clip() + '?classes=' + put('n.txt', 'a\nb'))
load_model('clip:' + vit())
    type hf:
    load_model('hf:' + vit())
load_model('clip:' + clip() + '?templates=' + put('t.txt', 'a {}'))
    add classes=FILE
    load_model('clip:' + clip() + '?templates=' + put('t.txt', 'a {}') + '&classes=' + put('n.txt', 'a\nb'))
load_model('clip:' + clip() + '?templates=' + put('t.txt', 'a') + '&classes=' + put('n.txt', 'a\nb'))
    one template a line with {} once
    load_model('clip:' + clip() + '?templates=' + put('t.txt', 'a {}') + '&classes=' + put('n.txt', 'a\nb'))
"""

SCORES = r"""
traverse(toy, x, y, score=Embedding())
    give a model without classes, as in timm:NAME?num_classes=0
    traverse(Classifier(Flat(), size=4, embeds=True), x, y, score=Embedding())
traverse(Classifier(Flat(), size=4, embeds=True), x, y)
    type --score embedding
    traverse(Classifier(Flat(), size=4, embeds=True), x, y, score=Embedding())
Group(())
    type --score group:1,2,3
    Group((1, 2, 3))
traverse(toy, x, y, score=Group((0, 1)))
    expected some of 0 to 1, not all
    traverse(toy, x, y, score=Group((0,)))
traverse(toy, x, y, score=Embedding(), method=Reference(delta=2.5))
    give a model without classes
    traverse(Classifier(Flat(), size=4, embeds=True), x, y, score=Embedding(), method=Reference(delta=0.1))
traverse(Classifier(Flat(), size=4, embeds=True), x, y, score=Embedding(), method=Reference(delta=2.5))
    type --delta 0.1
    traverse(Classifier(Flat(), size=4, embeds=True), x, y, score=Embedding(), method=Reference(delta=0.1))
traverse(toy, x, y, method=Reference(delta=1.0))
    type --delta 0.2
    traverse(toy, x, y, method=Reference(delta=0.2))
Margin().check_delta(0.0)
    type --delta 2
    Margin().check_delta(2.0)
Reference(step_size=0)
    as in --set step_size=
    Reference()
Reference(max_steps=0)
    as in --set max_steps=
    Reference(max_steps=1)
metrics.ssim(x, y)
    work at a larger size
    metrics.ssim(torch.rand(1, 3, 11, 11), torch.rand(1, 3, 11, 11))
parse_score('group:a')
    as in --score group:1,2,3 or --score group:151-268
    parse_score('group:1,2,3'), parse_score('group:151-268')
parse_score('confidance')
    did you mean confidence
    parse_score('confidence')
parse_shard('5/4')
    as in --shard 3/64
    parse_shard('3/64')
"""

# `RUN` begins a run of the tiny model on the tiny images, `DRY` one that is only planned.
COMMANDS = r"""
cmd(*DRY, '--model', own + ':smooth', '--size', '9')
    write it into each spec
    cmd('run', '--model', own + ':build?size=12', '--model', own + ':smooth?size=12', *DRY[3:])
cmd('run', '--model', own + ':build?size=12', '--size', '12', *DRY[3:])
    give it once
    cmd('run', '--model', own + ':build?size=12', *DRY[3:])
cmd('transfer', run_copy(), '--model', own + ':smooth', '--model', own + ':build', '--mean', '0.5', *TRUST)
    write them into each spec
    cmd('transfer', run_copy(), '--model', own + ':smooth?mean=0.5,0.5,0.5', *TRUST)
cmd(*DRY, '--precision', 'tf32')
    type --precision fp32
    cmd(*DRY, '--precision', 'fp32')
cmd('traverse', put('a.png', 'no'), red(), '--model', own + ':build', '--out', place / 't')
    expected an image file, such as a PNG or JPEG
    cmd('traverse', red(), green(), '--model', own + ':build', '--out', place / 't', *FEW)
cmd('traverse', place / 'none.png', red(), '--model', own + ':build', '--out', place / 't')
    expected an image file
    cmd('traverse', red(), green(), '--model', own + ':build', '--out', place / 't', *FEW)
cmd('sensitivity', place / 'none.png', '--target', 'red', '--model', own + ':build', '--out', place / 't')
    expected an image file
    cmd('sensitivity', green(), '--target', 'red', '--model', own + ':build', '--out', place / 't', '--quiet')
cmd('compare')
    as in blindspots compare DIR DIR
    cmd('compare', runs / 'one', runs / 'two')
cmd('compare', runs / 'one')
    as in blindspots compare DIR DIR
    cmd('compare', runs / 'one', runs / 'two')
cmd('compare', runs / 'one', runs / 'one')
    expected different run directories
    cmd('compare', runs / 'one', runs / 'two')
cmd('compare', runs / 'one', runs / 'margin')
    expected runs with the same --score
    cmd('compare', runs / 'one', runs / 'two')
cmd('compare', runs / 'one', runs / 'other')
    expected runs on the same pairs
    cmd('compare', runs / 'one', runs / 'two')
cmd('compare', runs / 'one', runs / 'nowhere')
    expected the directory given to blindspots run --out
    cmd('compare', runs / 'one', runs / 'two')
cmd('table', runs)
    type blindspots
    cmd('table', runs / 'one')
cmd('plot', runs / 'made', '--figure', 'path', '--pair', '0000001abcdef', '--model', 'zoo:own')
    give one of the two
    cmd('plot', runs / 'made', '--figure', 'path', '--model', 'zoo:own', '--out', place / 'a.pdf')
cmd('plot', runs / 'kept-found', '--figure', 'path')
    run it with --keep path to have them
    cmd('plot', runs / 'made', '--figure', 'path', '--out', place / 'a.pdf')
cmd('plot', runs / 'kept-none', '--figure', 'star')
    run it with --keep found or --keep path to have it
    cmd('plot', runs / 'kept-found', '--figure', 'star', '--out', place / 'a.pdf')
cmd('plot', runs / 'made', '--figure', 'star', '--pair', '4346fe52-misread')
    name another pair
    cmd('plot', runs / 'made', '--figure', 'star', '--pair', '0000001abcdef', '--out', place / 'a.pdf')
cmd('plot', runs / 'one', '--figure', 'simplex')
    --targets-per-source 3
    cmd('plot', finished, '--figure', 'simplex', '--out', place / 'a.pdf')
cmd('plot', runs / 'made', '--figure', 'transfer')
    type blindspots transfer
    cmd('transfer', run_copy(), *TRUST), cmd('plot', place / 'copy', '--figure', 'transfer', '--columns', '2')
cmd('plot', run_copy(), '--figure', 'widths')
    type blindspots widths
    cmd(*advised_words(), *QUICK_WIDTHS, *TRUST), cmd('plot', place / 'copy', '--figure', 'widths', *advised_words()[2:4])
cmd('check', runs / 'unfinished', '--max', 'rmse=1')
    finish it with the command that began it, then check it
    cmd('check', runs / 'one', '--max', 'rmse=1')
cmd('widths', run_copy(), '--points', '1', *TRUST)
    as in --points 11
    cmd('widths', run_copy(), '--points', '11', '--directions', '2', *TRUST)
cmd('widths', run_copy(), '--radii', '1,1', *TRUST)
    as in --radii 0.5,1,1.5,2
    cmd('widths', run_copy(), '--radii', '0.5,1,1.5,2', '--points', '2', '--directions', '2', *TRUST)
cmd('widths', keeping('none'), *QUICK_WIDTHS, *TRUST)
    run it with --keep found
    cmd('widths', keeping('path'), *QUICK_WIDTHS, *TRUST)
cmd('transfer', keeping('none'), *TRUST)
    run it with --keep found
    cmd('transfer', keeping('found'), '--model', own + ':smooth', *TRUST)
cmd('transfer', run_copy(), '--model', factory(TINY, 'f = lambda: Classifier(Tiny(3, 14.0, 0.8), size=12, class_names=("a", "b", "c"))') + ':f', *TRUST)
    give its own names as classes=FILE in its spec
    cmd('transfer', run_copy(), '--model', factory(TINY, 'f = lambda: Tiny(3, 14.0, 0.8)') + ':f?size=12&classes=' + put('n.txt', 'red\ngreen\nblue'), *TRUST)
cmd(*DRY, '--workers', '0')
    expected at least 1
    cmd(*DRY, '--workers', '1', '--backend', 'processes')
cmd(*DRY, '--workers', '2', '--backend', 'serial')
    type --backend processes
    cmd(*DRY, '--workers', '2', '--backend', 'processes')
cmd(*DRY, '--gpus-per-worker', '1')
    type --backend ray too
    cmd(*DRY, '--gpus-per-worker', '1', '--backend', 'ray')
cmd(*RUN, '--shard', '7/9')
    as in --shard 1/6
    cmd(*RUN, '--shard', '1/6', '--dry-run', '--quiet')
cmd(*RUN, '--predictions', place / 'none' / 'p.parquet')
    make it, or name a file in another one
    cmd(*RUN, '--predictions', place / 'p.parquet', '--dry-run', '--quiet')
cmd(*RUN, '--predictions', put('p.parquet', 'no'))
    or a name that is not taken
    cmd(*RUN, '--predictions', place / 'q.parquet', '--dry-run', '--quiet')
cmd(*RUN, '--pairs', put('p.csv', 'source,target\nred-0.png,red-0.png'))
    expected different images, each pair once
    cmd(*RUN, '--pairs', put('p.csv', 'source,target\nred-0.png,blue-0.png'), '--dry-run', '--quiet')
cmd(*RUN, '--pairs', put('p.csv', 'from,to\nred-0.png,blue-0.png'))
    with the columns source, target
    cmd(*RUN, '--pairs', put('p.csv', 'source,target\nred-0.png,blue-0.png'), '--dry-run', '--quiet')
cmd(*RUN, '--pairs', put('p.csv', 'source,target\n"' + 200_000 * 'x'))
    write it again
    cmd(*RUN, '--pairs', put('p.csv', 'source,target\nred-0.png,blue-0.png'), '--dry-run', '--quiet')
cmd(*RUN[:-2], '--out', run_copy())
    name another --out
    cmd(*RUN, '--dry-run', '--quiet')
cmd(*RUN[:-2], '--out', laid('notes', 'a.txt'))
    type --out
    cmd(*RUN[:-2], '--out', place / 'notes' / 'run', '--dry-run', '--quiet')
cmd(*RUN[:-2], '--out', put('file', 'a'))
    name another --out
    cmd(*RUN, '--dry-run', '--quiet')
cmd(*RUN[:-2], '--out', path_of(photos) + '/red/run')
    expected a directory elsewhere
    cmd(*RUN, '--dry-run', '--quiet')
cmd('run', '--model', own + ':probabilities', *DRY[3:])
    take its softmax away
    cmd(*DRY)
cmd('run', '--model', factory(TINY, 'f = lambda: torch.nn.Sequential(Tiny(0, 14.0, 0.8), torch.nn.Sigmoid())') + ':f?size=12', '--classes', put('n.txt', 'red\ngreen\nblue'), *DRY[3:])
    or return torch.logit of what it gives
    cmd('run', '--model', factory(TINY, BACK) + ':f?size=12', '--classes', put('n.txt', 'red\ngreen\nblue'), *DRY[3:])
cmd('run', '--model', own + ':shuffled', *DRY[3:])
    the class order (--classes)
    cmd('run', '--model', own + ':build', *DRY[3:])
cmd(*DRY, '--model', own + ':build?size=12')
    name each once
    cmd(*DRY)
cmd(*DRY, '--classes', put('n.txt', 'red\ngreen'))
    one name a class
    cmd(*DRY, '--classes', put('n.txt', 'red\ngreen\nblue'))
cmd(*DRY, '--classes', place / 'none.txt')
    there is no such file
    cmd(*DRY, '--classes', put('none.txt', 'red\ngreen\nblue'))
cmd(*DRY, '--classes', put('n.txt', b'red\xff'))
    it is not UTF-8 text
    cmd(*DRY, '--classes', put('n.txt', 'red\ngreen\nblue'))
cmd(*DRY, '--classes', put('n.json', '["red"'))
    is not valid JSON
    cmd(*DRY, '--classes', put('n.json', '["red", "green", "blue"]'))
cmd('merge', run_copy(), '--out', place / 'm')
    expected directories of blindspots run --shard
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('merge', shards()[0], '--out', place / 'm')
    expected every shard, finished
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('merge', shards()[0], '--out', place / 'm')
    give --allow-missing for what there is
    cmd('merge', shards()[0], '--out', place / 'm', '--allow-missing', '--quiet')
cmd('merge', *shards(), shards()[0], '--out', place / 'm')
    give it once
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('merge', *shards(), '--out', run_copy())
    name another --out
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('report', run_copy(spoil='run.json'))
    start it again with blindspots run and another --out
    cmd(*RUN, '--dry-run', '--quiet')
"""

FURTHER = r"""
check_origin('localhost:9000')
    as in --origin http://localhost:9000
    check_origin('http://localhost:9000')
load_images('folder:' + path_of(photos) + '/red', tiny).for_model(tiny).find('reed-1')
    did you mean red-1
    load_images('folder:' + path_of(photos) + '/red', tiny).find('red-1')
load_images('parquet:' + put('b.parquet', damaged(table_bytes())), toy)
    give one that has images
    load_images('parquet:' + put('b.parquet', table_bytes()), toy)
load_images('webdataset:' + put('c.tar', shard_bytes()[:1536]), toy)
    copy or write it again
    load_images(shard(), toy)
load_images(folders('3', '9'), classes=put('n.json', '[["n1", "a"], ["n2", "b"]]'))
    map=FILE
    load_images(folders('3', '9') + '?map=' + put('m.json', '{"3": 0, "9": 1}'))
check_name('a/b', place / 'a.json')
    as in --name 'ResNet-50 AT'
    check_name('ResNet-50 AT', place / 'resnet-50-at.json')
check_name('ResNet', place / 'a.json')
    as --entry
    check_name('ResNet', place / 'resnet.json')
check_paper('arxiv')
    as in --paper https://arxiv.org/abs/2310.19889
    check_paper('https://arxiv.org/abs/2310.19889')
find_protocol('shape-v1')
    did you mean
    find_protocol(next(iter(known_protocols())))
load_model('timm:test_resnet?weights')
    write it as in timm:resnet50
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
load_model('exported:' + exported(Flat()) + '?maen=0.5', trust_file=True)
    did you mean mean
    load_model('exported:' + exported(Flat()) + '?mean=0.5', trust_file=True)
Classifier(Flat(), size=4).lay_out('rows')
    as in --layout contiguous
    Classifier(Flat(), size=4).lay_out('contiguous')
open_run(finished).table('summary').render('word')
    expected one of
    open_run(finished).table('summary').render('markdown')
cmd('report', runs / 'made', '--out', place / 'r', '--name', 'zoo:won=Ours')
    did you mean zoo:own
    cmd('report', runs / 'made', '--out', place / 'r', '--name', 'zoo:own=Ours')
load_model('clip:' + clip_lacking() + '?classes=' + put('n.txt', 'a\nb'))
    save or fetch it again
    load_model('clip:' + clip() + '?classes=' + put('n.txt', 'a\nb'))
load_model('timm:local-dir:' + str(place / 'none'))
    type timm:local-dir:DIR
    load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, net()))
load_model('timm:local-dir:' + timms({'architecture': 'hf-hub:me/x', 'num_classes': 3}, net()))
    save the model again
    load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, net()))
load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'model_args': 3}, net()))
    save the model again
    load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3}, net()))
load_model('timm:local-dir:' + timms({'architecture': 'test_resnet', 'num_classes': 3, 'pretrained_cfg': {'crop_mode': 'spiral'}}, net()))
    load the model by file:model.py:factory
    load_model(factory('import timm', 'f = lambda: timm.create_model("test_resnet", num_classes=3)') + ':f?size=64')
cmd('merge', *shards(), other_shard('2/2', '--seed', '4'), '--out', place / 'm')
    expected shards of one plan
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('merge', shards()[0], other_shard('2/3'), '--out', place / 'm')
    expected shards of the same number of shards
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd(*RUN[:-2], '--out', shards()[0], '--shard', '2/2')
    or resume with --shard 1/2
    cmd(*RUN[:-2], '--out', shards()[0], '--shard', '1/2', '--quiet')
cmd('run', '--model', factory(TINY, 'f = lambda: Around(Tiny(0, 14.0, 0.8), behind=lambda z: z / (z.abs() < 1).float())') + ':f?size=12', '--classes', put('n.txt', 'red\ngreen\nblue'), *DRY[3:])
    expected finite numbers: check its weights and --mean, --std
    cmd('run', '--model', own + ':build?size=12&mean=0&std=1', *DRY[3:])
cmd('run', '--model', factory(TINY, 'f = lambda: Around(Tiny(0, 14.0, 0.8), before=torch.Tensor.detach)') + ':f?size=12', '--classes', put('n.txt', 'red\ngreen\nblue'), *DRY[3:])
    expected a module that can be differentiated
    cmd('run', '--model', factory(TINY, 'f = lambda: Tiny(0, 14.0, 0.8)') + ':f?size=12', '--classes', put('n.txt', 'red\ngreen\nblue'), *DRY[3:])
quick(model=tiny, images=(pictures, [0, 0, 0, 1, 1, 1, 2, 2, 7]), out=place / 'out')
    expected labels below that
    quick(model=tiny, images=(pictures, classes), out=place / 'out')
quick(model=tiny, images=(pictures[:1], [0]), out=place / 'out')
    give more images
    quick(model=tiny, images=(pictures, classes), out=place / 'out')
quick(model=tiny, images=(pictures[:3], classes[:3]), out=place / 'out', score=Group((0,)))
    give more images
    quick(model=tiny, images=(pictures, classes), out=place / 'out', score=Group((0,)))
cmd('transfer', run_copy(), '--model', factory(TINY, FOUR) + ':f?size=12', *TRUST)
    give names as classes=FILE in the spec
    cmd('transfer', run_copy(), '--model', factory(TINY, FOUR) + ':f?size=12&classes=' + put('n.txt', 'red\ngreen\nblue\nemu'), *TRUST)
in_memory(), cmd('verify', place / 'out', *TRUST)
    or run it by spec: model='file:model.py:build'
    cmd(*RUN[:-2], '--out', place / 'again', '--quiet'), cmd('verify', place / 'again', '--sources', '1', *TRUST)
cmd('transfer', without_found(), *TRUST)
    command
    cmd('transfer', run_copy(), '--model', own + ':smooth', *TRUST)
cmd('widths', other_weights(), *QUICK_WIDTHS, *TRUST)
    put the same weights back
    cmd('widths', run_copy(), *QUICK_WIDTHS, *TRUST)
cmd('leaderboard', 'draw', 'tiny', '--images', photos, '--sources', '1', '--out', place / 'p.json')
    type --sources 15
    cmd('leaderboard', 'draw', 'tiny', '--images', photos, '--targets-per-source', '2', '--sources', '15', '--out', place / 'p.json')
cmd('leaderboard', 'build', place, '--out', place / 'site')
    expected a folder per protocol with entries in it
    cmd('leaderboard', 'build', ROOT / 'leaderboard' / 'entries', '--out', place / 'site')
"""

TABLES = {
    "arguments": ARGUMENTS,
    "classes": CLASSES,
    "images": IMAGES,
    "weights": WEIGHTS,
    "models": MODELS,
    "scores": SCORES,
    "commands": COMMANDS,
    "further": FURTHER,
    **advised_states.TABLES,
    **advised_network.TABLES,
}


def cases() -> list[tuple[str, str, str]]:
    """(wrong, words of the advice, what it says to do), one after the other."""
    lines = [line.strip() for text in TABLES.values() for line in text.strip().splitlines()]
    return list(zip(lines[::3], lines[1::3], lines[2::3], strict=True))
