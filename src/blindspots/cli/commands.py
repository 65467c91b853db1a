"""Every command with its line and its group; a command's module is imported when it is called."""

from importlib.metadata import version

from cyclopts import App, Group

GROUPS = {name: Group(name, sort_key=i) for i, name in enumerate(("Start", "Look", "Judge"))}
GROUPS |= {name: Group(name, sort_key=i) for i, name in enumerate(("Scale", "Models"), 3)}

# name: (group, where its function is, what --help says: a line, and what is below it).
COMMANDS = {
    "demo": (
        "Start",
        "run_command:demo",
        "Run the main job on the four embedded models and images, without a network.\n\n"
        "With --photos on a real ImageNet classifier and photographs instead.",
    ),
    "explore": (
        "Start",
        "explore_command:explore",
        "Watch traversals live in the browser: pick two images, see one become the other.\n\n"
        "Serves 127.0.0.1 alone, until Ctrl-C. Without models the four embedded ones.",
    ),
    "run": (
        "Start",
        "run_command:run",
        "Traverse pairs of images for one or more models; tables, figures and a report.\n\n"
        "blindspots run --model zoo:shapes-resnet --images sample:shapes --out shapes\n\n"
        "With the same --out it resumes where it was stopped.",
    ),
    "traverse": (
        "Start",
        "pair_commands:traverse",
        "Traverse from one image file towards another: strip, found image, a line of result.",
    ),
    "sensitivity": (
        "Start",
        "pair_commands:sensitivity",
        "The contrast: targeted PGD, a change nobody sees that changes the prediction.\n\n"
        "50 steps of 2/255 in the l-infinity ball of 8/255, started at the image.",
    ),
    "report": (
        "Look",
        "show_commands:report",
        "Build report.html, tables and figures of a run again.",
    ),
    "table": ("Look", "show_commands:table", "Print the tables of a run, models side by side."),
    "plot": (
        "Look",
        "figure_commands:plot",
        "Draw a figure of a run for a paper, from its files alone.",
    ),
    "widths": (
        "Look",
        "figure_commands:widths",
        "Measure how wide paths are: confidence in random directions orthogonal to them.\n\n"
        "Pairs that are measured already with these settings are not measured again.",
    ),
    "compare": (
        "Look",
        "check_commands:compare",
        "Compare runs, or models of runs, on the same pairs, with intervals and a verdict.",
    ),
    "doctor": (
        "Judge",
        "doctor_command:doctor",
        "Look at a model before trusting it: what is wrong, why it matters, what to type.\n\n"
        "Exit status 1 where something would make results wrong.",
    ),
    "verify": (
        "Judge",
        "show_commands:verify",
        "Compare a run with its files' hashes, its plan, and what its saved images give anew.",
    ),
    "check": (
        "Judge",
        "check_commands:check",
        "Check a run's numbers against limits, for continuous integration.\n\n"
        "Exit status 3 where one is broken.",
    ),
    "transfer": (
        "Judge",
        "transfer_command:transfer",
        "Ask other models about the found images of a run: do they believe them too?\n\n"
        "The run's own models judge each other, and the given ones judge all of them.",
    ),
    "estimate": (
        "Scale",
        "scale_commands:estimate",
        "What a run of many pairs will take: times a few, extrapolates, says how surely.",
    ),
    "merge": (
        "Scale",
        "scale_commands:merge",
        "Join the run directories of a plan's shards; tables, figures and a report.",
    ),
    "models": (
        "Models",
        "model_commands:models",
        "List what can be loaded: the embedded models, and the schemes with an example each.",
    ),
}

app = App(
    name="blindspots",
    help="Find, measure and show the blind spots of vision models.",
    version=lambda: version("blindspots"),
    help_epilogue=(
        "Exit status: 0 done; 1 the work failed on the way, finished pairs are kept; "
        "2 refused, nothing written; 3 a checked limit is broken; "
        "130 interrupted, finished pairs are kept."
    ),
    group_commands=Group("Options", sort_key=9),
    suppress_keyboard_interrupt=False,
    result_action="return_none",
)
app.register_install_completion_command(help="Install completion for this shell.")
zoo = App(
    name="zoo",
    help="Train or check the embedded models.",
    group=GROUPS["Models"],
    help_epilogue="",
)
zoo.command("blindspots.cli.model_commands:train", name="train")
zoo.command("blindspots.cli.model_commands:evaluate", name="evaluate")
for order, (name, (group, home, words)) in enumerate(COMMANDS.items()):
    app.command(
        f"blindspots.cli.{home}",
        name=name,
        help=words,
        group=GROUPS[group],
        sort_key=order,
        help_epilogue="",
    )
app.command(zoo)
leaderboard = App(
    name="leaderboard",
    help="Models on fixed pairs: claims that carry their proof, and pages of them.",
    group=GROUPS["Models"],
    help_epilogue="",
)
for _name in ("protocols", "draw", "run", "submit", "verify", "merge", "build"):
    leaderboard.command(f"blindspots.cli.leaderboard_commands:{_name}", name=_name)
app.command(leaderboard)
