"""Runs the notebook of docs/models.md, block after block, in a folder of its own: what the page shows is what happens.

A `toml` or `yaml` block is a file, named in its first line; a `python` block runs in one interpreter, an `sh` block in the
folder. The history that the page calls one's own is made here.
"""

import os
import pathlib
import random
import re
import subprocess
import sys

PAGE, RISKCTL = pathlib.Path("docs/models.md"), pathlib.Path(sys.argv[1]).resolve()


def history(path):
    """Payments of sixty days: a stolen card is used at odd hours, fast and for much; its owner complains."""
    draw = random.Random(7)
    rows = []
    for number in range(12_000):
        seconds = number * 60 * 86_400 // 12_000
        rows.append([seconds, f"card{draw.randrange(400)}", f"shop{draw.randrange(60)}", draw.randrange(200, 9_000), 0])
    for _ in range(60):
        seconds, card = draw.randrange(59 * 86_400), f"card{draw.randrange(400)}"
        for step in range(8):
            rows.append([seconds + step * 120, card, f"shop{draw.randrange(60)}", draw.randrange(3_000, 40_000), 1])
    rows.sort()
    with open(path, "w") as file:
        file.write("number,seconds,card,shop,cents,chargeback\n")
        file.writelines(f"{number},{','.join(map(str, row))}\n" for number, row in enumerate(rows))


def main(folder):
    text = PAGE.read_text().split("## From a notebook\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.S)
    os.chdir(folder)
    history("history.csv")
    scope = {}
    path = f"{RISKCTL.parent}:{os.environ['PATH']}"
    for language, block in blocks:
        if language in ("toml", "yaml"):
            name = pathlib.Path(re.match(r"# (\S+)", block)[1])
            name.parent.mkdir(parents=True, exist_ok=True)
            name.write_text(block)
        elif language == "python":
            exec(compile(block, "docs/models.md", "exec"), scope)
        elif language == "sh":
            done = subprocess.run(["bash", "-euc", block], env=os.environ | {"PATH": path}, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"docs/models.md:\n{block}\n{done.stdout}{done.stderr}")
    print(f"docs/models.md: {len(blocks)} blocks of the notebook run as shown")


main(sys.argv[2])
