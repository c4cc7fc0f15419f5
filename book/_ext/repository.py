"""Sphinx extension: links into the public repository, where there is one.

"Edit this page", Binder and Colab need to know where the repository is. That is $EMOTRACE_REPOSITORY or, without it,
the remote "origin" of the clone; a path on this machine is none, and then the buttons are left out.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

BOOK = "book"  # folder of the book in the repository
ROOT_FOLDERS = ("notebooks",)  # in book/ by a symbolic link, which web pages of repositories do not follow
LAUNCH = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}
_REMOTE = re.compile(r"(?:https://(?:[^@/]+@)?|(?:ssh://)?git@)(github\.com|gitlab\.com)[/:]([^/]+/[^/]+?)(?:\.git)?/?")


def public_url(remote: str) -> str | None:
    """The web address of a remote on GitHub or GitLab, without credentials; None for any other."""
    match = _REMOTE.fullmatch(remote.strip())
    return f"https://{match[1]}/{match[2]}" if match else None


def find_repository(folder: Path) -> str | None:
    """The public address of the repository that ``folder`` belongs to, or None."""
    if named := os.environ.get("EMOTRACE_REPOSITORY"):
        return public_url(named)
    command = ["git", "-C", str(folder), "config", "--get", "remote.origin.url"]
    try:
        return public_url(subprocess.run(command, capture_output=True, text=True).stdout)
    except OSError:  # no git
        return None


def set_repository(app: Sphinx, config: Config) -> None:
    """Turn the buttons on, with the address; or leave them off."""
    options = config.html_theme_options
    url = find_repository(Path(app.confdir))
    if url is None:
        options.pop("repository_url", None)  # jupyter-book's default is its own
        return
    launch = LAUNCH if "github.com" in url else {"binderhub_url": LAUNCH["binderhub_url"]}
    options.update(repository_url=url, repository_branch="main", path_to_docs=BOOK)
    options.update(use_edit_page_button=True, use_repository_button=True, use_issues_button=True)
    options["launch_buttons"] = {**options.get("launch_buttons", {}), **launch}


def real_paths(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Links of the buttons name the folder itself instead of the symbolic link to it; Colab opens .ipynb only."""
    buttons = context.get("header_buttons", [])
    for folder in ROOT_FOLDERS:
        _replace(buttons, f"/{BOOK}/{folder}/", f"/{folder}/")
    for group in buttons:
        if "buttons" in group and context.get("page_source_suffix") != ".ipynb":
            group["buttons"] = [button for button in group["buttons"] if button.get("text") != "Colab"]


def _replace(buttons: list[dict[str, Any]], old: str, new: str) -> None:
    for button in buttons:
        if "url" in button:
            button["url"] = button["url"].replace(old, new)
        _replace(button.get("buttons", []), old, new)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", set_repository, priority=100)
    app.connect("html-page-context", real_paths, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
