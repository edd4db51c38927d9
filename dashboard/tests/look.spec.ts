import type { Page } from "@playwright/test";

import type { Anomalies } from "../src/api";
import { api, expect, isAccessible, test } from "./dashboard";

const FOLDER = "test-results/screens";

/** The whole page; charts are drawn when they come into sight. */
async function photograph(page: Page, name: string) {
  const { width = 0, height = 0 } = page.viewportSize() ?? {};
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, whole) });
  const charts = page.locator(".chart");
  await expect(charts.locator("canvas")).toHaveCount(await charts.count());
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
  await page.setViewportSize({ width, height });
}

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
        await photograph(page, `${name}-${scheme}`);
        await isAccessible(page, `${name}, ${scheme}`);
      }
      await page.setViewportSize({ width: 360, height: 740 });
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(address);
        await expect(page.locator("main h1").first()).toBeVisible();
        await expect(page.locator(".loading")).toHaveCount(0);
        await photograph(page, `${name}-${scheme}-narrow`);
        await isAccessible(page, `${name}, ${scheme}, narrow`);
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(tooWide, `${name} is wider than 360 pixels by`).toBeLessThanOrEqual(0);
      }
    });
  }
});

test.describe("in both themes, every dialog", () => {
  for (const scheme of ["light", "dark"] as const) {
    test(`has nothing that axe objects to, ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      const dialogs = [
        ["train", "/models", "Train a model"], ["promote", "/models", "Promote"], ["key", "/settings/keys", "New key"],
        ["revoke", "/settings/keys", "Revoke the-viewer"], ["keyboard", "/", "Keys"],
      ] as const;
      for (const [name, address, button] of dialogs) {
        await page.goto(address);
        await page.getByRole("button", { name: button }).first().click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await page.screenshot({ path: `${FOLDER}/dialog-${name}-${scheme}.png` });
        await isAccessible(page, `the dialog ${name}, ${scheme}`);
      }
    });
  }
});

test.describe("the page for those who are not signed in", () => {
  test.use({ role: null });

  for (const scheme of ["light", "dark"] as const) {
    test(`has nothing that axe objects to, ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto("/");
      await expect(page.getByLabel("Key", { exact: true })).toBeVisible();
      await page.screenshot({ path: `${FOLDER}/sign-in-${scheme}.png` });
      await isAccessible(page, `sign-in, ${scheme}`);
    });
  }
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
