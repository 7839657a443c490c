"""That no page and no form is left out of the look at every page."""

import re

from callctl.web.doors import every_door
from callctl.web.site import parts
from tests.web.browser import PROJECT
from tests.web.test_every_page_browser import PAGES, PIECES, place


def test_every_page_of_the_table_is_visited_or_known_to_be_a_piece() -> None:
    there = {door.path for door in every_door(parts()) if door.method == "GET" and not door.is_api}
    assert there >= PIECES, "a piece that is there no more"
    for door in PAGES:
        place(door)


def test_every_form_of_every_template_has_an_id_also_where_no_test_sees_it() -> None:
    for file in sorted((PROJECT / "callctl/web/templates").rglob("*.html")):
        for form in re.findall(r'<form method="post".*?</form>', file.read_text(encoding="utf-8"), re.DOTALL):
            assert 'name="request"' in form or "{{ hidden(" in form or "{{ once(" in form, f"{file.name}: {form[:120]}"
