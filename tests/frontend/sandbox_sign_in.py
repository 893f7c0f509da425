"""The form of the sandbox's sign-in page."""

from playwright.async_api import Page


async def fill_form(page: Page, user: str, password: str) -> None:
    await page.get_by_label("User name").fill(user)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
