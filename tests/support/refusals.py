"""What is refused: a line of the command line, or a call of the library, for each sentence.

`{place}` and the like stand for what the fixture of `test_messages.py` lays there.
"""

# What a command is given besides; a case that names one of these options has its own.
USUAL = {
    "run": {
        "--model": "{tiny}:build",
        "--images": "{images}",
        "--out": "{place}/out",
        "--set": "max_steps=2",
        "--quiet": "",
    },
    "estimate": {"--model": "{tiny}:build", "--images": "{images}", "--quiet": ""},
    "transfer": {"--quiet": "", "--trust-run-code": ""},
    "plot": {"--figure": "path"},
    "traverse": {"--model": "{tiny}:build", "--out": "{place}/t"},
    "sensitivity": {"--model": "{tiny}:build", "--out": "{place}/t"},
}

COMMANDS = """
run --model tim:resnet18
run --model resnet18
run --model zoo:shapes-resnett
run --model timm:resnet5O --weights {place}/misfit.pth
run --model timm:test_resnet?num_classes=3&weights={place}/none.pth
run --model timm:test_resnet?num_classes=3&weights={place}/misfit.pth
run --model timm:test_resnet?num_classes=3&weights={place}/evil.pth
run --model timm:test_resnet?num_classes=3&weights={place}/itself.pth
run --model {tiny}:broken?size=12
run --model {tiny}:shufled
run --model {tiny}:flat?size=12
run --model {tiny}:probabilities
run --model {tiny}:nan
run --model {tiny}:shuffled
run --model {tiny}:build --model {tiny}:build
run --model {tiny}:build --model {tiny}:smooth --size 9
run --classes {place}/two.txt
run --classes {place}/none.txt
run --images folder:{place}/nowhere
run --images folder:{place}/empty
run --images folder:{place}/words
run --images 'folder:{place}/one class'
run --images sample:shades
run --images sample:shapes?m=3
run --delta 1
run --delta -0.1
run --set delta=2
run --method papr
run --set max_stepz=1
run --set max_steps
run --sources 0
run --sources 1
run --seed -1
run --set tolerance=inf
run --batch-size 99999999999999999999
run --device meta
run --lpips-weights {place}/two.txt
run --out {place}/words
run --out {place}/words --dry-run
run --name zoo:own=Ours
run --name Ours
run --images 'folder:{place}/one class' --out '{place}/one class/apple/run'
run --images 'hf:{place}/one class:train' --out '{place}/one class/apple/run'
run --images 'torchvision:CIFAR10?root={place}/one%20class' --out '{place}/one class/run'
run --targets-per-source 40
run --batch-size none
run --device cuda:99
run --precision fp64
run --pairs {place}/pairs.csv
run --sorces 3
run --score margn
run --shard 5/4
verify {run}
verify {place}/spoilt/no-pairs
verify {run} --sources 0 --trust-run-code
widths {run}
explore --run {run} --no-open --port 0
verify {place}
table {place}
table {place}/made --format word
tabel {place}/made
report {place}/nowhere
traverse {place}/none.png {place}/none.png
traverse {place}/words/a.png {place}/words/a.png
traverse {place}/red.png {place}/red.png --out s3://bucket/found
traverse {place}/red.png {place}/red.png --out {place}/words
sensitivity {place}/red.png --target red --out {place}/words
report {place}/made --out {place}/words
report {place}/made --out {place}/one
sensitivity {place}/red.png --target rde
doctor zoo:nothing
zoo train shapes-resnett --out {place}/z
estimate --pairs 0
estimate --pairs 5 --gpu A100
transfer {run} --model {tiny}:fewer
transfer {run} --model {tiny}:others
transfer {run} --model {tiny}:shiftd
transfer {run} --size 64
transfer {run} --model {tiny}:shifted --model {tiny}:larger --mean 0.5
transfer {run} --batch-size 0
transfer {run} --device cuda:99
transfer {run} --format word
transfer {place}/spoilt/no-run
transfer {place}/spoilt/nothing-kept
transfer {place}/spoilt/no-pairs
transfer {place}/spoilt/other-weights
transfer {place}/spoilt/image-missing
widths {place}/made --radii 0.5,-1
widths {place}/made --radii 0.5,nan
widths {place}/made --radii 1,1
widths {place}/made --radii much
widths {place}/made --directions 0
widths {place}/made --points 1
widths {place}/made --seed -1
widths {place}/made --pair zzz
widths {place}/made --model zoo:won
widths {place}/made --batch-size 0
widths {place}/spoilt/other-weights --trust-run-code
check {place}/one
check {place}/one --max segment_insde=0.5
check {place}/one --max segment_inside
check {place}/one --max segment_inside=half
check {place}/one --min segment_inside=nan
check {place}/one --max rmse=1 --model zoo:won
check {place}/unfinished --max rmse=1
compare
compare {place}/one
compare {place}/one {place}/one
compare {place}/one {place}/nowhere
compare {place}/one {place}/other
compare {place}/one {place}/two --baseline tow
compare {place}/one {place}/two --model zoo:won
compare {place}/one {place}/two --format word
compare {place}/one {place}/two --html {place}
compare {place}/one {place}/margin
compare {place}/group-12 {place}/group-1
plot {place}/made --pair nothing
plot {place}/made --pair 0
plot {place}/made --pair 4346fe52-misread
explore --origin localhost:9000
plot {place}/made --model zoo:won
plot {place}/made --pair 0000001abcdef --model zoo:own
plot {place}/made --columns 3
plot {place}/made --format eps
plot {place}/made --out {place}/made/figure.jpg
plot {place}/made --out {place}/made/figure.svg --format png
plot {place}/made --out {place}/made/run.json/figure.pdf
plot {place}/made --figure triangles
plot {place}/made --figure widths
plot {place}/one --figure simplex
plot {place}/kept-found --figure path
plot {place}/kept-found --figure curves
plot {place}/kept-none --figure grid
plot {place}/kept-none --figure star
plot {place}/kept-none --figure triangle
""".strip().splitlines()

CALLS = """
parse_spec('tim:resnet50', ('timm', 'folder'), 'timm:resnet50')
parse_spec('resnet50', ('timm', 'folder'), 'timm:resnet50')
parse_spec('timm:resnet50?weights', ('timm', 'folder'), 'timm:resnet50')
parse_spec('timm:resnet50?=x', ('timm', 'folder'), 'timm:resnet50')
parse_spec('timm:resnet50?a=1&a=2', ('timm', 'folder'), 'timm:resnet50')
options('timm:x?mean=a')
options('timm:x?mean=0.5,0.5')
options('timm:x?std=0,1,1')
options('timm:x?std=-1')
options('timm:x?std=nan')
options('timm:x?mean=inf')
options('timm:x?size=big')
options('timm:x?size=0')
options('timm:x?size=1x2x3')
options('timm:x?entry=ema')
load_model('timm:test_resnet?wieghts=w.pth')
load_model('torchvision:resnet18?clases=names.txt')
load_model('robustbench:Standard?wieghts=w.pt')
load_model('robustbench:Rice2020Overfitting?dataste=cifar10')
load_model('timm:local-dir:{place}')
load_model('timm:test_resnet?num_classes=3&weights={place}/misfit.pth&entry=ema')
load_model('madrylab:resnet18_l2_eps3?sizes=224')
load_model('clip:{place}/vit?template=t.txt')
load_model('exported:model.pt2?maen=0.5')
load_model('exported:model.pt2?depth=3')
load_model('hf:{place}/vit?wieghts=w.pth')
load_model('{tiny}:build?wieghts=w.pth')
load_model('python:tests.support.tiny_model:build?siz=4')
parse_score('confidance')
parse_score('group')
parse_score('group:')
parse_score('group:3-1')
parse_score('group:a')
parse_score('group:' + 5000 * '9')
parse_score('group:0-99999999999')
parse_score('margin:2')
Confidence().check_delta(1.0)
Group([1]).check_delta(-0.1)
Margin().check_delta(0.0)
Embedding().check_delta(2.5)
parse_shard('')
parse_shard('3')
parse_shard('0/4')
parse_shard('5/4')
parse_shard('1/0')
parse_shard('a/b')
parse_shard('1/2/3')
parse_shard('-1/3')
parse_gpu_price('A100')
parse_gpu_price('A100=1')
parse_gpu_price('=1,2')
parse_gpu_price('A=1,0')
parse_gpu_price('A=x,2')
parse_gpu_price('A=-1,2')
parse_gpu_price('A=1,2,3')
""".strip().splitlines()
