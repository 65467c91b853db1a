# ruff: noqa: E501
"""As `advised.py`: refusals about what is published, packages and clusters, whose names
`advice_network.py` has.
"""

PERCEPTUAL = r"""
caches(), metrics.lpips(x, y)
    weights=FILE
    known_backbone(), metrics.lpips(noise32(), noise32(), weights=saved('alex.pth', backbone()))
known_backbone(), metrics.lpips(x, y, weights=saved('alex.pth', backbone()))
    work at a larger size
    metrics.lpips(noise32(), noise32(), weights=place / 'alex.pth')
metrics.lpips(noise32(), noise32(), weights=saved('alex.pth', {'a': x}))
    give alexnet-owt-7be5be79.pth
    known_backbone(), metrics.lpips(noise32(), noise32(), weights=saved('alexnet-owt-7be5be79.pth', backbone()))
metrics.lpips(noise32(), noise32(), weights=saved('alex.pth', backbone()))
    give alexnet-owt-7be5be79.pth
    known_backbone(), metrics.lpips(noise32(), noise32(), weights=saved('alexnet-owt-7be5be79.pth', backbone()))
caches(), at_hand(saved_bytes({'a': x})), posted('cases', found=[one_found(2)])
    give alexnet-owt-7be5be79.pth
    known_backbone(), at_hand(saved_bytes(backbone())), posted('cases', found=[one_found(2)])
"""

PICTURES = r"""
cmd('demo', '--images', photos, '--out', place / 'demo')
    type --photos too
    photographed(), cmd('demo', '--photos', '--images', photos, '--out', place / 'demo', '--quiet')
load_images('torchvision:USPS?download=yes&' + usps())
    type download=true
    load_images('torchvision:USPS?download=true&' + usps())
load_images('torchvision:USP?' + usps())
    did you mean USPS
    load_images('torchvision:USPS?' + usps())
load_images('torchvision:USPS?split=tset&' + usps())
    did you mean test
    load_images('torchvision:USPS?split=test&' + usps())
load_images('torchvision:USPS?root=' + str(place))
    give root=DIR
    load_images('torchvision:USPS?' + usps())
(spec := svhn(), lacking('scipy', lambda: load_images(spec)))
    type pip install scipy
    load_images(spec_of_svhn())
load_images(signs())
    type folder:DIR
    load_images('folder:' + str(place / 'signs' / 'gtsrb' / 'GTSRB'))
load_images(mnist(12))
    copy or write it again
    load_images(mnist(7))
load_images(sparse())
    pack it again without that option
    load_images(shard())
caches(), load_images('hf:nobody/nothing')
    or type hf:DIR
    load_images('hf:' + path_of(photos))
load_images(splitless() + ':test')
    holds one split; type hf:
    load_images(splitless())
"""

WEIGHTS = r"""
(made := vit(), Path(made, 'model.safetensors').unlink(), load_model('hf:' + made))
    expected a directory that save_pretrained wrote
    load_model('hf:' + vit())
caches(), answers(), load_model('hf:nobody/nothing')
    or give the directory it was saved in
    load_model('hf:' + vit())
(made := vit(), put(made + '/model.safetensors', 'no'), load_model('hf:' + made))
    fetch or save it again
    load_model('hf:' + vit())
caches(), published_here(b'cut short')
    remove it, and it is fetched again
    without_cached(), published_here(None)
load_model('clip:ViT-B-32:opena')
    or clip:DIRECTORY
    load_model('clip:' + clip())
caches(), load_model('madrylab:resnet18_linf_eps4')
    did you mean resnet18_linf_eps4.0
    hub('madrylab/robust-imagenet-models', 'resnet18_linf_eps4.0.ckpt', published()), load_model('madrylab:resnet18_linf_eps4.0')
caches(), load_model('madrylab:resnet18_l2_eps3')
    ?weights=FILE.ckpt
    load_model('madrylab:resnet18_l2_eps3?weights=' + saved('w.ckpt', {'model': published()}))
caches(), load_model('robustbench:Salman2020Do_R18')
    ?weights=FILE
    load_model('robustbench:Salman2020Do_R18?weights=' + saved('w.pt', published()))
load_model('robustbench:Salman2020Do_R81')
    did you mean Salman2020Do_R18
    load_model('robustbench:Salman2020Do_R18?weights=' + saved('w.pt', published()))
lacking('robustbench', lambda: load_model('robustbench:Other2024?dataset=cifar10'))
    type pip install --no-deps robustbench
    package(), load_model('robustbench:Other2024?dataset=cifar10')
package(), load_model('robustbench:Other2023?dataset=cifar10')
    check name
    load_model('robustbench:Other2024?dataset=cifar10')
caches(), answers(), load_model('timm:test_resnet.r160_in1k')
    ?weights=FILE.safetensors
    load_model('timm:test_resnet.r160_in1k?weights=' + tensors('w.safetensors', timm_state('test_resnet')))
caches(), load_model('timm:test_resnet.r160_in1')
    did you mean test_resnet.r160_in1k
    hub('timm/test_resnet.r160_in1k', 'model.safetensors', timm_state('test_resnet')), load_model('timm:test_resnet.r160_in1k')
load_model('timm:cs3darknet_s')
    ?weights=FILE
    load_model('timm:cs3darknet_s?weights=' + tensors('w.safetensors', timm_state('cs3darknet_s')))
caches(), load_model('timm:test_resnet')
    ?weights=FILE.safetensors
    load_model('timm:test_resnet?weights=' + tensors('w.safetensors', timm_state('test_resnet')))
"""

OTHERS = r"""
Run(restless(finished)).arrow('pairs')
    wait until its driver rests, and type the same again
    rests(), Run(finished).arrow('pairs')
elsewhere(1)
    expected the same weights on all machines
    elsewhere(0)
passed_on(lambda: elsewhere(1))
    expected the same weights on all machines
    passed_on(lambda: elsewhere(0))
"""

TABLES = {
    "perceptual": PERCEPTUAL,
    "pictures": PICTURES,
    "published": WEIGHTS,
    "others": OTHERS,
}
