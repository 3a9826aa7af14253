"""Names for parts of a page that the theme leaves without one, for people who hear the page."""

import re

_SEARCH = re.compile(r'(<div class="md-search"[^>]*role="dialog")>')
# A section with a page of its own takes its name from an empty label; its title comes first inside.
_SECTION = re.compile(
    r'aria-labelledby="__nav_[\d_]+_label"(?P<rest>[^>]*>\s*<label class="md-nav__title"[^>]*>\s*'
    r'<span class="md-nav__icon md-icon"></span>\s*(?P<title>[^<]*?)\s*</label>)'
)
_EMPTY_HEADING = re.compile(r"<th(?P<style>[^>]*)></th>")


def named(page: str) -> str:
    """Return the HTML of a page with names for the search and for the sections of the navigation.

    The corner of a table without a text is not a heading.
    """
    page = _SEARCH.sub(r'\1 aria-label="Search">', page)
    page = _EMPTY_HEADING.sub(r"<td\g<style>></td>", page)
    return _SECTION.sub(r'aria-label="\g<title>"\g<rest>', page)
