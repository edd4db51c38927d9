import type { Anomalies } from "../src/api";
import { api, expect, keyOf, test } from "./dashboard";

test.describe("nobody", () => {
  test.use({ role: null });

  test("is asked for a key; a wrong one is refused, a right one opens", async ({ page }) => {
    await page.goto("/events");
    const field = page.getByLabel("Key", { exact: true });
    await field.fill("bw_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await field.fill(keyOf("viewer"));
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Events", exact: true })).toBeVisible();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(field).toBeVisible();
  });

  test("with a code that is used up is told so, and the code leaves the address", async ({ page }) => {
    await page.goto("/#code=used-up");
    await expect(page.getByRole("alert")).toBeVisible();
    expect(page.url()).not.toContain("code");
  });
});

test.describe("a viewer", () => {
  test.use({ role: "viewer" });

  test("sees no button that changes anything", async ({ page }) => {
    const { anomalies } = await api<Anomalies>(page, "anomalies");
    await page.goto(`/events/${anomalies[0]?.id}`);
    await expect(page.getByRole("region", { name: "Channels of the event" })).toBeVisible();
    await expect(page.getByRole("group", { name: "Verdict" })).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Acknowledge" })).toHaveCount(0);
    await page.goto("/models");
    await expect(page.getByRole("region", { name: "Model pump", exact: true })).toBeVisible();
    for (const name of ["Promote", "Roll back", "Train a model"]) await expect(page.getByRole("button", { name })).toHaveCount(0);
    await page.goto("/settings");
    await expect(page.getByText("Not for your role")).toBeVisible();
    await page.goto(`/alerts/${anomalies[0]?.alert?.id}/feedback/real`);
    await expect(page.getByText("Your role may not decide")).toBeVisible();
  });
});

test("whoever is no longer signed in is asked for the key again", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("tr[data-device]").first()).toBeVisible();
  await page.context().clearCookies();
  // The page asks again by itself as well: the link may be gone before it is clicked.
  await page.getByRole("link", { name: "Models" }).click({ timeout: 5_000 }).catch(() => undefined);
  await expect(page.getByLabel("Key", { exact: true })).toBeVisible();
});

test("the metrics of the server can be read", async ({ page }) => {
  const answer = await page.request.get("/metrics", { headers: { authorization: `Bearer ${keyOf("viewer")}` } });
  expect(answer.status()).toBe(200);
  expect(await answer.text()).toContain("# TYPE");
});
