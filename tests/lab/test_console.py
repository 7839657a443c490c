"""The demo's console: whoever may sign in has a password that the console takes, every time."""

from callctl.lab.console import guests
from callctl.people.passwords import check_password
from tests.provinces import three_cities


def test_every_password_made_up_for_the_demo_is_good_enough():
    for _ in range(150):  # A thousand passwords: one of a hundred draws has no digit.
        for guest in guests(three_cities(), "yangzhou", "xuzhou"):
            check_password(guest.password, guest.name)
