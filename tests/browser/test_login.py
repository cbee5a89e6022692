"""The way in: who is nobody sees the login page, who may come in sees the workflows."""

from __future__ import annotations

from django.contrib.auth.models import User

from tests.browser.cases import BrowserTestCase


class LoginTests(BrowserTestCase):
    """The admin's own login is the only one there is."""

    def test_anonymous_visitors_see_the_login_page(self) -> None:
        for path in ("/admin/durable/", "/admin/durable/execution/", "/admin/durable/schedule/"):
            self.open(path)
            self.assertIn("/admin/login/", self.driver.current_url)
            self.sees("Username", "Password")

    def test_a_superuser_logs_in_and_sees_the_workflows(self) -> None:
        self.log_in(User.objects.create_superuser("ada"))
        self.sees("Durable workflows", "Executions")
        self.is_accessible()
        self.assertEqual(self.complaints(), [])
