"""A preprocessor of mdBook's: what leads out of docs/ leads to the repository."""

import json
import re
import sys

REPOSITORY = "https://github.com/cambist/cambist/blob/main/"


def outward(text):
    return re.sub(r"(\]\(|^\[[^]]+\]: |<(?:a href|img src)=\")\.\./", rf"\g<1>{REPOSITORY}", text, flags=re.MULTILINE)


def rewrite(items):
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            chapter = item["Chapter"]
            chapter["content"] = outward(chapter["content"])
            rewrite(chapter["sub_items"])


if sys.argv[1:2] == ["supports"]:
    sys.exit()
_, book = json.load(sys.stdin)
rewrite(book["items"] if "items" in book else book["sections"])
json.dump(book, sys.stdout)
