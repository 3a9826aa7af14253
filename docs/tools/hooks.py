"""What MkDocs calls while it builds the site: generated pages, pictures, and links to files outside docs/."""

import logging
import os
import posixpath
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import accessible
import docstrings
import mmdr
import programs
import reference_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.superfences import SuperFencesException

ROOT = Path(__file__).resolve().parents[2]
LOG = logging.getLogger("mkdocs.hooks.fastnet")
LINK = re.compile(r"(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s:#]+)(?P<fragment>#[^)\s]*)?\)")
# Pages of the site that lie outside docs/, and the pictures in them.
OUTSIDE = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/ESTIMATORS.md",
    "benchmarks/README.md",
    "benchmarks/RESULTS.md",
    "examples/README.md",
]
PICTURES_OUTSIDE = "benchmarks/*.svg"


def on_config(config: MkDocsConfig) -> None:
    """Put the generated pages of the reference in the place of "reference/" in the navigation; draw formulas and diagrams."""
    texts = reference_pages.pages()
    config.extra["reference"] = texts
    titles = {name: name.removesuffix(".md").removeprefix("fastnet.") for name in texts}
    titles |= {"public-names.md": "Public names", "command-line.md": "Command line"}
    entries = [{title: f"reference/{name}"} for name, title in titles.items()]
    for section in config.nav or []:
        pages = section.get("Reference")
        if pages:
            at = pages.index("reference/")
            pages[at : at + 1] = entries
    fence = {"name": "math", "class": "math", "format": docstrings.mathml_block}
    diagrams = {"name": "mermaid", "class": "mermaid", "format": diagram}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence, diagrams]}
    config.mdx_configs["pymdownx.inlinehilite"] = {"custom_inline": [{**fence, "format": docstrings.mathml}]}


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are generated, those outside docs/, and the pictures that pages draw."""
    for name, text in config.extra.pop("reference").items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = f"# {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
        files.append(File.generated(config, f"examples/{path.stem}.md", content=text))
    for name in OUTSIDE:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    for path in sorted(ROOT.glob(PICTURES_OUTSIDE)):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), content=path.read_bytes()))
    for page in [file for file in files.documentation_pages() if file.abs_src_path]:
        _draw(page, files, config)


def _draw(page: File, files: Files, config: MkDocsConfig) -> None:
    """Run the programs of a page that shows pictures which are in no file, and add what they draw."""
    missing = {
        name: uri
        for name in programs.pictures(page.content_string)
        if not files.get_file_from_path(uri := _join(page.src_uri, name))
    }
    if not missing:
        return
    LOG.info("Drawing the pictures of %s", page.src_uri)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, programs.__file__, page.abs_src_path, folder]
        subprocess.run(command, env={**os.environ, "MPLBACKEND": "agg"}, check=True)
        for name, uri in missing.items():
            if (drawn := Path(folder, name)).exists():
                files.append(File.generated(config, uri, content=drawn.read_bytes()))


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Leave out what is for the tests, and point links to files of the repository at their pages.

    Of links to files that have no page, the words alone are kept.
    """
    markdown = programs.without_notes(markdown)
    uri = page.file.src_uri
    folder = "" if uri in OUTSIDE else "docs"
    if uri == "reference/index.md":
        markdown += reference_pages.contents()

    def resolve(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, posixpath.dirname(uri), found["target"]))
        target = re.sub(r"^docs/|(?<=^examples/)(\w+)\.py$", lambda part: f"{part[1]}.md" if part[1] else "", path)
        if not (ROOT / path).exists():
            return found[0]
        file = files.get_file_from_path(target)
        if not file:
            return found["text"][1:-1]
        text = found["text"]
        if file.is_documentation_page() and text.strip("[]`").rpartition("/")[2] == posixpath.basename(target):
            text = f"[{_title(file)}]"  # readers of the site see no file names
        return f"{text}({posixpath.relpath(target, posixpath.dirname(uri) or '.')}{found['fragment'] or ''})"

    return LINK.sub(resolve, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Name parts that have no name, and refuse a page that a browser would fetch something for from another host."""
    found = re.search(
        r"""<(?:script|img|iframe|source|link(?![^>]*rel="?canonical))[^>]*(?:src|href)="?(?:https?:)?//""", output
    )
    if found:
        raise PluginError(f"{page.file.src_uri} needs something of another host: {found[0]}")
    return accessible.named(output)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """Let the page for a missing address, which a server shows at any depth, find its styles in a folder, too."""
    if template_name != "404.html":
        return output_content
    root = urlsplit(config.site_url or "").path.rstrip("/") + "/"
    page = re.sub(rf'((?:href|src)="){re.escape(root)}', r"\1", output_content)
    base = f"<script>location.protocol === 'file:' || document.write('<base href=\"{root}\">')</script>"
    return accessible.named(page.replace("<head>", f"<head>\n    {base}", 1))


def diagram(source: str, *_: Any, **__: Any) -> str:
    """Return a diagram of Mermaid as SVG, which needs no script in the browser: a formatter of pymdownx.superfences."""
    try:
        return f'<figure class="diagram">{mmdr.render(source).svg()}</figure>'
    except ValueError as error:
        raise SuperFencesException(f"{error}, in the diagram\n{source}") from error


def _title(file: File) -> str:
    return re.search(r"^# +(.+)$", file.content_string, re.MULTILINE)[1]


def _join(uri: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(uri), name))
