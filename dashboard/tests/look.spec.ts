import type { Anomalies } from "../src/api";
import { api, expect, isAccessible, test } from "./dashboard";

const FOLDER = "test-results/screens";

test.describe("in both themes, every page", () => {
  for (const scheme of ["light", "dark"] as const) {
    test(`has nothing that axe objects to, ${scheme}`, async ({ page }) => {
      test.setTimeout(180_000);
      await page.emulateMedia({ colorScheme: scheme });
      const { anomalies } = await api<Anomalies>(page, "anomalies?device=pump-01");
      const { id, alert } = anomalies[0] ?? {};
      const pages = {
        fleet: "/", device: "/devices/pump-02", events: `/events/${id}`, models: "/models/pump", drift: "/drift",
        settings: "/settings", keys: "/settings/keys", audit: "/settings/audit", answer: `/alerts/${alert?.id}/feedback/real`,
      };
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(address);
        await expect(page.locator("main h1").first()).toBeVisible();
        await expect(page.locator(".loading")).toHaveCount(0);
        await page.screenshot({ path: `${FOLDER}/${name}-${scheme}.png`, fullPage: true });
        await isAccessible(page, `${name}, ${scheme}`);
      }
      await page.setViewportSize({ width: 360, height: 740 });
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(address);
        await expect(page.locator("main h1").first()).toBeVisible();
        await expect(page.locator(".loading")).toHaveCount(0);
        await page.screenshot({ path: `${FOLDER}/${name}-${scheme}-narrow.png`, fullPage: true });
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(tooWide, `${name} is wider than 360 pixels by`).toBeLessThanOrEqual(0);
      }
    });
  }
});

test.describe("the page for those who are not signed in", () => {
  test.use({ role: null });

  test("has nothing that axe objects to", async ({ page }) => {
    await page.goto("/");
    await expect(page.getByLabel("Key", { exact: true })).toBeVisible();
    await page.screenshot({ path: `${FOLDER}/sign-in.png` });
    await isAccessible(page, "sign-in");
  });
});

test("the theme of the switch outlasts a new load of the page", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByLabel("Theme").selectOption("dark");
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.reload();
  await expect(page.getByLabel("Theme")).toHaveValue("dark");
  expect(await ground()).toBe(dark);
});

test("the page of the API is made from what the server itself says", async ({ page }) => {
  await page.goto("/docs");
  await expect(page.locator(".swagger-ui .title")).toContainText("bellwether");
  await expect(page.locator(".opblock").first()).toBeVisible();
});
