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
load_model('exported:' + of_any_size(), trust_file=True)
    add size=224
    load_model('exported:' + of_any_size() + '?size=8', trust_file=True)
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
cmd(*RUN, '--images', one_damaged(), '--pairs', put('p.csv', 'source,target\nred/a.png,green/a.png'), '--quiet')
    leave it out
    cmd(*RUN, '--images', one_damaged(), '--pairs', put('p.csv', 'source,target\ngreen/a.png,blue/a.png'), '--quiet')
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

TABLES = {"installs": INSTALLS, "calls": CALLS, "lost": LOST, "large": LARGE}
