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
lacking('timm', lambda: load_model('timm:resnet10t?num_classes=3&weights=' + saved('w.pth', net().state_dict())))
    type pip install 'blindspots[
    load_model(small + 'weights=' + saved('w.pth', net().state_dict()))
lacking('ray', lambda: cmd(*DRY, '--backend', 'ray'))
    type pip install 'blindspots[ray]'
    cmd(*DRY, '--backend', 'ray')
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
load_model('exported:' + of_any_size(), trust_file=True)
    add size=224
    load_model('exported:' + of_any_size() + '?size=8', trust_file=True)
timm_preprocessing({**GEOMETRY, 'crop_mode': 'spiral'})
    expected center, squash or border
    timm_preprocessing({**GEOMETRY, 'crop_mode': 'squash'})
compare(finished).render('word')
    expected one of
    compare(finished).render('markdown')
draw_figure('star', Run(finished), columns=7)
    expected one of
    draw_figure('star', Run(finished), columns=2)
build_table(Run(finished), 'medians')
    expected one of
    build_table(Run(finished), 'summary')
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
cmd('plot', changed(first('images', '.png')), '--figure', 'star')
    give the run's command again
    again(), cmd('plot', run_copy(), '--figure', 'star', '--out', place / 'a.pdf')
cmd('verify', changed(first('images', '.png')), *TRUST)
    give the run's command again
    again(), cmd('verify', run_copy(), *TRUST)
cmd('plot', changed(first('images', '.png'), b'no'), '--figure', 'star')
    remove it, and give the run's command again
    (run_copy() / first('images', '.png')).unlink(), again(), cmd('plot', run_copy(), '--figure', 'star', '--out', place / 'a.pdf')
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

TABLES = {"installs": INSTALLS, "calls": CALLS, "lost": LOST}
