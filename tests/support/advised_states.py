# ruff: noqa: E501
"""As `advised.py`: refusals of a state that the advice mends, whose names `advice_states.py` has."""

INSTALLS = r"""
lacking('pandas', lambda: open_run(finished).pairs)
    type pip install pandas
    open_run(finished).pairs
lacking('uvicorn', lambda: explore('--model', own + ':build?size=12', '--images', photos))
    type pip install 'blindspots[explore]'
    explore('--model', own + ':build?size=12', '--images', photos)
lacking('torch', lambda: importing('torch'))
    pip install 'blindspots[torch]'
    importing('torch')
lacking('skimage', lambda: load_images('sample:photos', tiny))
    type pip install 'blindspots[photos]'
    load_images('sample:photos')
lacking('datasets', lambda: load_images('hf:' + path_of(photos), tiny))
    type pip install 'blindspots[datasets]'
    load_images('hf:' + path_of(photos), tiny)
(made := vit(), lacking('transformers', lambda: load_model('hf:' + made)))
    type pip install 'blindspots[
    load_model('hf:' + made)
lacking('s3fs', lambda: find_place('s3://bucket/run'))
    type pip install 'blindspots[s3]'
    find_place('s3://bucket/run')
lacking('ray', lambda: cmd(*RUN, '--backend', 'ray'))
    type pip install 'blindspots[ray]'
    Ray().check()
"""

CALLS = r"""
(late := load_images(emptied(), None), put('late/cat/0.png', b'no'), late.checked())
    give one that has images
    load_images(photos, tiny).checked()
load_images(table(label=[3, 9]), classes=put('n.txt', 'a\nb\nc'))
    else map=FILE
    load_images(table(label=[0, 1]) + '?map=' + put('m.json', '{"0": 0, "1": 1}'))
shape_image('test', -1)
    try index=0
    shape_image('test', 0, seed=0)
parse_model_spec('resnet18')
    did you mean
    parse_model_spec(said.partition('did you mean ')[2].partition(' ')[0].strip('?'))
(file := of_any_size(), load_model('exported:' + file, trust_file=True))
    add size=224
    load_model('exported:' + file + '?size=8', trust_file=True)
timm_preprocessing({**GEOMETRY, 'crop_mode': 'spiral'})
    expected center, squash or border
    timm_preprocessing({**GEOMETRY, 'crop_mode': 'squash'})
compare(finished).render('word')
    expected one of
    compare(finished).render('markdown')
draw_figure(Run(finished), 'star', columns=7)
    expected one of
    draw_figure(Run(finished), 'star', columns=2)
build_table(Run(finished), 'medians')
    expected one of
    build_table(Run(finished), 'summary')
(made := vit(processor={'do_resize': False}), load_model('hf:' + made))
    load the model by file:model.py:factory
    load_model(factory('import transformers as tf', wrapped(made)) + ':f?size=32&mean=0.5&std=0.5')
load_model('torchvision:squeezenet1_1?pretrained=true&num_classes=3&weights=' + saved('w.pth', squeezenet1_1(num_classes=3).state_dict()))
    ?weights=FILE
    load_model('torchvision:squeezenet1_1?num_classes=3&weights=' + str(place / 'w.pth'))
_check_logits(SAID, torch.eye(3))
    or return its logarithm
    _check_logits(SAID, torch.eye(3).add(0.1).log())
_check_labels(SAID, [0, 3], 3)
    expected labels below that
    _check_labels(SAID, [0, 2], 3)
find_place('nope://bucket/run')
    expected a directory
    find_place(str(finished))
"""

LOST = r"""
load_images('parquet:' + put('b.parquet', table_bytes()[:4] + bytes(30) + table_bytes()[34:]), toy)
    copy or write it again
    load_images('parquet:' + put('b.parquet', table_bytes()), toy)
load_images(features(0, 2), toy)
    expected 0 to 1
    load_images(features(0, 1), toy)
load_images('webdataset:' + put('c.tar', shard_bytes() + shard_bytes()), toy)
    copy or write it again
    load_images(shard(), toy)
load_images('webdataset:' + put('c.tar', endless_tar()), toy)
    copy or write it again
    load_images(shard(), toy)
cmd('plot', lost('images'), '--figure', 'star')
    give the run's command again
    again(), cmd('plot', run_copy(), '--figure', 'star', '--out', place / 'a.pdf')
cmd('widths', lost('images'), *QUICK_WIDTHS, *TRUST)
    give the run's command again
    again(), cmd('widths', run_copy(), *QUICK_WIDTHS, *TRUST)
cmd('plot', spoilt('images'), '--figure', 'star')
    remove it, and give the run's command again
    lost('images'), again(), cmd('plot', run_copy(), '--figure', 'star', '--out', place / 'a.pdf')
cmd('merge', retold(shard_copies()[0], plan_hash=None), shards()[1], '--out', place / 'm')
    start it again with blindspots run and another --out
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('merge', retold(shard_copies()[0], pairs_hash='0' * 16), shards()[1], '--out', place / 'm')
    run the shards again with one --predictions FILE for all
    cmd('merge', *predicted_shards(), '--out', place / 'm', '--quiet')
cmd('merge', shards()[0], cut_shard(), '--out', place / 'm')
    resume its shard, which does those rows again
    resume_shard(), cmd('merge', shards()[0], cut_shard(False), '--out', place / 'm', '--quiet')
cmd('merge', shards()[0], doubled_shard(), '--out', place / 'm')
    expected each once
    cmd('merge', *shards(), '--out', place / 'm', '--quiet')
cmd('table', rows_with(run_copy(), 'pairs', 'pair_id', '../x'))
    name another run
    cmd('table', finished)
inside(place, '../x')
    expected a name without
    inside(place, 'x')
cmd('table', link('pairs.parquet', finished / 'pairs.parquet'))
    put a copy
    (run_copy() / 'pairs.parquet').unlink(), shutil.copy(finished / 'pairs.parquet', run_copy()), cmd('table', run_copy())
cmd('table', fifo('report.html'))
    remove it
    (run_copy() / 'report.html').unlink(), cmd('table', run_copy())
cmd('table', changed('pairs.parquet', b'no'))
    start it again with blindspots run and another --out
    cmd('table', finished)
(late := Run(run_copy()), changed('run.json'), late.info)
    expected the directory given to
    Run(finished).info
cmd('verify', retold(run_copy(), plan={**Run(finished).plan, 'score': {'name': 'group', 'classes': [[[]]]}}), *TRUST)
    start the run again with blindspots run
    cmd('verify', finished, '--sources', '1', *TRUST)
Run(retold(run_copy(), format=99)).info
    start it again with blindspots run and another --out
    Run(finished).info
cmd('widths', run_copy(), *QUICK_WIDTHS, *TRUST), put('copy/widths.parquet', 'no'), cmd('plot', run_copy(), '--figure', 'widths')
    remove it and type
    (run_copy() / 'widths.parquet').unlink(), cmd(*advised_words(), *QUICK_WIDTHS, *TRUST), cmd('plot', run_copy(), '--figure', 'widths', '--columns', '2', '--out', place / 'a.pdf')
retold(run_copy(), pairs_hash='0' * 16), again()
    name another --out
    again(place / 'other')
"""

MACHINE = r"""
user_path('~nobody-of-this-name/x')
    type the whole path, or ./~
    user_path(str(place)), user_path('./~')
cmd(*DRY, '--classes', place)
    cannot be read
    cmd(*DRY, '--classes', put('n.txt', 'red\ngreen\nblue'))
read_image(place, tiny)
    expected an image file
    read_image(red(), tiny)
_check_workers('serial', ['cuda:0', 'cuda:1'], None)
    type --backend processes
    _check_workers('processes', ['cuda:0', 'cuda:1'], None)
read_only(laid('closed', 'a.txt')), cmd(*RUN[:-2], '--out', place / 'closed' / 'run', '--dry-run', '--quiet')
    name another --out
    cmd(*DRY)
unlistable('cat'), load_images(folders('cat', 'dog'), None)
    make it readable, or name another
    load_images(folders('red', 'green', 'blue'), tiny)
(run_copy() / 'run.lock').mkdir(), again()
    remove it
    (run_copy() / 'run.lock').rmdir(), again()
(run_copy() / 'run.lock').touch(), again()
    name another --out
    cmd(*DRY)
held(run_copy()), again()
    stop it
    let_go(), again()
"""

PAGE = r"""
explore('--run', runs / 'margin')
    type blindspots report
    cmd('report', runs / 'margin', '--out', place / 'r.html')
explore('--run', finished, '--images', photos)
    give one of them
    explore('--model', own + ':build?size=12', '--images', photos)
explore('--run', lost('images'), '--trust-run-code')
    name another --run
    explore('--run', finished, '--trust-run-code')
traversed(method='walk')
    expected one of
    traversed(method='star')
traversed(targets=[0])
    pick a source and targets that are different
    traversed(targets=[1])
posted('points', found=[one_found(1)], weights=[0.9, 0.9])
    that sum to 1
    posted('points', found=[one_found(1)], weights=[0.5, 0.5])
posted('triangles', triangles=[[one_found(1), one_found(1, source=2)]])
    a hull has one of each
    streamed('triangles', triangles=[[one_found(1), one_found(2)]])
posted('cases', found=[one_found(1), one_found(1, max_steps=2)])
    save them one after the other
    posted('cases', found=[one_found(1)]), posted('cases', found=[one_found(1, max_steps=2)])
posted('cases', found=[one_found(1), one_found(1, again=True)])
    save each once
    posted('cases', found=[one_found(1)])
check_case([])
    start a traversal first
    posted('cases', found=[one_found(1)])
stored(lost('found')).open(first_pair())
    start the traversal of this pair anew
    traversed(targets=[1])
plan_method(Run(retold(run_copy(), plan={'method': {'name': 'walk'}})))
    start it again with blindspots run
    plan_method(Run(finished))
at_one_moment(), [_new_directory(place, AIM) for _ in range(100)]
    wait for the next one
    later(), _new_directory(place, AIM)
listen(70000)
    expected 0 (any free one)
    listen(0).close()
listen(page().port)
    type --port 0
    listen(0).close()
uploaded(b'no')
    expected a JPEG, PNG, WebP or GIF image
    uploaded(encoded(picture(0)))
uploaded(None)
    expected one image
    uploaded(encoded(picture(0)))
UploadDecoder(seconds=0.0).decode(encoded(noise(90, 60)), GEOMETRIES)
    scale the image down first
    uploaded(encoded(noise(9, 6)))
seen(cut(encoded(noise(90, 60))), GEOMETRIES)
    expected a JPEG, PNG, WebP or GIF image
    seen(encoded(noise(90, 60)), GEOMETRIES)
limit('explorer.upload_decoder.MOST_BYTES', 9000), seen(encoded(noise(90, 60)), GEOMETRIES)
    scale the image down first
    seen(encoded(noise(45, 30)), GEOMETRIES)
most_pixels(2000), seen(encoded(noise(90, 60)), GEOMETRIES)
    scale it down first
    seen(encoded(noise(45, 30)), GEOMETRIES)
seen(b'no', GEOMETRIES)
    expected a JPEG, PNG, WebP or GIF image
    seen(encoded(noise(90, 60)), GEOMETRIES)
limit('explorer.upload_decoder.MOST_PIXELS', 2000), seen(encoded(noise(90, 60)), GEOMETRIES)
    scale it down first
    seen(encoded(noise(45, 30)), GEOMETRIES)
seen(encoded(noise(909, 9)), GEOMETRIES)
    crop it first
    seen(encoded(noise(900, 9)), GEOMETRIES)
"""

ENTRY = r"""
cmd('leaderboard', 'merge', board().entry, *joined(), '--protocol', board().protocol)
    type a second ENTRY
    half_entries(), cmd('leaderboard', 'merge', *half_entries(), *joined(), '--protocol', board().protocol)
board().files.witnesses.unlink(), cmd('leaderboard', 'merge', board().entry, board().entry, *joined(), '--protocol', board().protocol)
    get it first
    cmd('leaderboard', 'merge', *half_entries(), *joined(), '--protocol', board().protocol)
board().retell(fingerprint='0' * 16), cmd('leaderboard', 'merge', *half_entries(), board().entry, *joined(), '--protocol', board().protocol)
    join those alone
    cmd('leaderboard', 'merge', *half_entries(), *joined(), '--protocol', board().protocol)
told(board().entry, name='<b>'), cmd('leaderboard', 'verify', board().entry, *verified())
    submit it again
    submitted(), cmd('leaderboard', 'verify', board().entry, *verified())
cmd('leaderboard', 'verify', board().entry, '--sample', '0', *verified())
    expected at least 1
    cmd('leaderboard', 'verify', board().entry, '--sample', '1', *verified())
board().files.witnesses.unlink(), cmd('leaderboard', 'verify', board().entry, *verified())
    or type --files-only
    cmd('leaderboard', 'verify', board().entry, '--files-only', '--protocol', board().protocol, '--quiet')
cmd('leaderboard', 'verify', board().entry, '--model', MODEL, '--images', fewer(), '--protocol', board().protocol, '--quiet')
    expected files of that very content
    cmd('leaderboard', 'verify', board().entry, *verified())
board_run_of(misnamed('red', 'green'), 'r')
    give it the class
    board_run_of(misnamed(), 'r')
told(board().entry, seed=7), cmd('leaderboard', 'build', board().folder, '--out', place / 'site')
    expected an entry as it was submitted
    submitted(), cmd('leaderboard', 'build', board().folder, '--out', place / 'site')
board(), put('board/robust-accuracy.json', '[{}]'), cmd('leaderboard', 'build', board().folder, '--out', place / 'site')
    expected data, model, accuracy (0 to 1) and under
    put('board/robust-accuracy.json', '[{"data": "a", "model": "b", "accuracy": 0.5, "under": "c"}]'), cmd('leaderboard', 'build', board().folder, '--out', place / 'site')
told(board().protocol, points=12), find_protocol(board().protocol)
    draw it again
    Path(board().protocol).unlink(), drawn(), find_protocol(board().protocol)
told(board().protocol, more=1), find_protocol(board().protocol)
    make it again
    Path(board().protocol).unlink(), drawn(), find_protocol(board().protocol)
cmd('leaderboard', 'run', '--protocol', unsaid(), '--model', MODEL, '--out', place / 'r', '--quiet')
    type --images SPEC
    cmd('leaderboard', 'run', '--protocol', unsaid(), '--model', MODEL, '--images', photos, '--out', place / 'r', '--quiet')
cmd('leaderboard', 'submit', unended(), *joined(), '--protocol', board().protocol)
    type its command again, it resumes
    board_run(unended()), cmd('leaderboard', 'submit', unended(), *joined(), '--protocol', board().protocol)
cmd('leaderboard', 'submit', finished_alone(), *joined(), '--protocol', board().protocol)
    name its protocol with --protocol FILE.json
    cmd('leaderboard', 'submit', run_of_board(), *joined(), '--protocol', board().protocol)
cmd('leaderboard', 'submit', without_images(), *joined(), '--protocol', board().protocol)
    type its command again
    board_run(place / 'holed'), cmd('leaderboard', 'submit', place / 'holed', *joined(), '--protocol', board().protocol)
cmd('leaderboard', 'submit', board_run(place / 'r', swapped()), *joined(), '--protocol', strict())
    look at it with blindspots doctor
    cmd('doctor', own + ':build?size=12', '--images', photos), cmd('leaderboard', 'submit', run_of_board(), *joined(), '--protocol', board().protocol)
board().files.witnesses.write_bytes(b'no'), cmd('leaderboard', 'verify', board().entry, *verified())
    submit it again
    submitted(), cmd('leaderboard', 'verify', board().entry, *verified())
"""

LARGE = r"""
compare(Factory(size=8, sources=3, frames=3, models=('zoo:own', 'zoo:own-at'), nulls=False).write(place / 'bare')).raise_if_worse()
    run both again
    compare(finished).raise_if_worse()
cmd('widths', bare(), *TRUST)
    expected a run with some
    cmd('widths', run_copy(), *QUICK_WIDTHS, *TRUST)
cmd('compare', bare('one'), bare('two'))
    expected a run with pairs
    cmd('compare', runs / 'one', runs / 'two')
limit('reporting.figures.curve_plots.matrix_width', lambda *_: 5.0), cmd('transfer', run_copy(), *TRUST), cmd('plot', run_copy(), '--figure', 'transfer')
    type --columns 2
    cmd('plot', run_copy(), '--figure', 'transfer', '--columns', '2', '--out', place / 'a.pdf')
cmd('plot', bare(), '--figure', 'star')
    expected a run with some
    cmd('plot', finished, '--figure', 'star', '--out', place / 'a.pdf')
limit('reporting.figures.paper_figures.TALLEST', 3.0), cmd('plot', finished, '--figure', 'path', '--out', place / 'a.pdf')
    name them with --model or --pair
    cmd('plot', finished, '--figure', 'path', *siblings(1), '--out', place / 'a.pdf')
limit('reporting.figures.paper_figures.MOST_LIMBS', 1), cmd('plot', finished, '--figure', 'star', *siblings(2))
    name fewer with --pair
    cmd('plot', finished, '--figure', 'star', *siblings(1), '--out', place / 'a.pdf')
cmd('plot', finished, '--figure', 'triangle', *siblings(3))
    expected one or two pairs of a source
    cmd('plot', finished, '--figure', 'triangle', *siblings(2), '--out', place / 'a.pdf')
limit('reporting.figures.paper_figures.MOST_LIMBS', 1), cmd('plot', finished, '--figure', 'curves', *siblings(2))
    name fewer with --pair
    cmd('plot', finished, '--figure', 'curves', *siblings(1), '--out', place / 'a.pdf')
cmd('check', bare(finished='2026-01-01T00:00:00Z'), '--max', 'rmse=1')
    expected a run with pairs
    cmd('check', finished, '--max', 'rmse=1')
predicted_shards(), cmd('run', '--model', own + ':smooth', *RUN[3:], '--dry-run', '--predictions', runs / 'answers.parquet')
    name another file, or give the models and images it was made with
    cmd('run', '--model', own + ':smooth', *RUN[3:], '--dry-run', '--predictions', place / 'q.parquet', '--quiet'), cmd(*DRY, '--predictions', runs / 'answers.parquet')
cmd(*RUN[:4], one_damaged(), *RUN[-2:], '--pairs', put('p.csv', 'source,target\nred/a.png,green/a.png'), '--quiet')
    leave it out
    cmd(*RUN[:4], one_damaged(), *RUN[-2:], '--pairs', put('p.csv', 'source,target\ngreen/a.png,blue/a.png'), '--quiet')
cmd('transfer', retold(run_copy(), plan={'score': {'name': 'embedding'}}), *TRUST)
    run it with --score confidence
    cmd('transfer', keeping('found'), '--model', own + ':smooth', *TRUST)
cmd('transfer', bare(keep='found'), *TRUST)
    expected a run with some
    cmd('transfer', keeping('found'), '--model', own + ':smooth', *TRUST)
cmd('verify', bare(), *TRUST)
    expected a run with some
    cmd('verify', finished, '--sources', '1', *TRUST)
cmd('widths', lost('path'), *QUICK_WIDTHS, *TRUST)
    run it with --keep path
    cmd('widths', keeping('path'), *QUICK_WIDTHS, *TRUST)
"""

TABLES = {
    "installs": INSTALLS,
    "calls": CALLS,
    "lost": LOST,
    "large": LARGE,
    "page": PAGE,
    "machine": MACHINE,
    "entry": ENTRY,
}
