import type { DeviceFacts, History } from "../src/api";
import { api, expect, test } from "./dashboard";

const charts = ".chart canvas";

test("a device has a chart of its score and one of each channel", async ({ page }) => {
  await page.goto("/devices/pump-01");
  const { channels } = await api<DeviceFacts>(page, "devices/pump-01");
  await expect(page.locator(".chart")).toHaveCount(channels.length + 1);
  for (const channel of channels) {
    const card = page.locator("section", { has: page.getByRole("heading", { name: channel, exact: true }) });
    // Drawn when it comes into sight.
    await card.scrollIntoViewIfNeeded();
    await expect(card.locator("canvas")).toBeVisible();
    await expect(card).toContainText("expected");
  }
});

test("dragging over a chart zooms all of them, and asks the server for that span", async ({ page }) => {
  await page.goto("/devices/pump-01?last=all");
  await expect(page.locator(charts).first()).toBeVisible();
  const answered = page.waitForResponse((answer) => /history\?.*from=/.test(answer.url()) && page.url().includes("from="));
  const box = await page.locator(".chart .u-over").first().boundingBox();
  if (!box) throw new Error("the chart has no place on the page");
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40, { steps: 5 });
  await page.mouse.up();
  const zoomed = (await (await answered).json()) as History;
  await expect(page).toHaveURL(/from=.*to=/);
  const { first_time, last_time } = await api<DeviceFacts>(page, "devices/pump-01");
  const all = Date.parse(last_time ?? "") - Date.parse(first_time ?? "");
  const times = zoomed.time_ms;
  const part = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / all;
  expect(part).toBeGreaterThan(0.07);
  expect(part).toBeLessThan(0.13);
  await page.goBack();
  await expect(page).toHaveURL(/last=all/);
});

test("arrows move, plus and minus zoom, l follows live again", async ({ page }) => {
  await page.goto("/devices/pump-01");
  await expect(page.locator(charts).first()).toBeVisible();
  await page.keyboard.press("+");
  await expect(page).toHaveURL(/from=/);
  const from = () => Date.parse(new URL(page.url()).searchParams.get("from") ?? "");
  const before = from();
  await page.keyboard.press("ArrowLeft");
  await expect.poll(from).toBeLessThan(before);
  await page.keyboard.press("l");
  await expect(page).not.toHaveURL(/from=/);
  await expect(page.getByRole("button", { name: "Live" })).toHaveAttribute("aria-pressed", "true");
});

test("new samples are drawn at once, without asking for the history again", async ({ page }) => {
  let nAsked = 0;
  // Only the first is answered.
  await page.route("**/history?*", (route) => (nAsked++ === 0 ? route.continue() : undefined));
  await page.goto("/devices/pump-01");
  const chart = page.locator(".chart").first();
  await expect(chart.locator("canvas")).toBeVisible();
  for (let i = 0; i < 3; i++) {
    const before = await chart.getAttribute("aria-label");
    expect(before).toContain("newest value");
    await expect(chart).not.toHaveAttribute("aria-label", before ?? "");
  }
});

test("a long stretch comes though samples come faster", async ({ page }) => {
  await page.route("**/history?*", async (route) => {
    await new Promise((done) => setTimeout(done, 6_000));
    await route.continue();
  });
  await page.goto("/devices/pump-01?last=all");
  await expect(page.locator(charts).first()).toBeVisible();
});

test("a device in a stretch of the past is told as it is now, and the past is not asked for again", async ({ page }) => {
  const { first_time } = await api<DeviceFacts>(page, "devices/pump-01");
  const to = new Date(Date.parse(first_time ?? "") + 3_600_000).toISOString();
  let nAsked = 0;
  page.on("request", (request) => (nAsked += Number(request.url().includes("/history?"))));
  await page.goto(`/devices/pump-01?from=${first_time}&to=${to}`);
  await expect(page.locator(charts).first()).toBeVisible();
  const newest = page.locator("dt", { hasText: "Newest sample" }).locator("xpath=..").locator("time");
  const before = await newest.getAttribute("datetime");
  await expect(newest).not.toHaveAttribute("datetime", before ?? "");
  expect(nAsked).toBe(1);
});

test("a device that no model has judged yet has a page", async ({ page }) => {
  await page.route("**/api/v1/devices/pump-01", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ json: { ...((await answer.json()) as DeviceFacts), model: null } });
  });
  await page.goto("/devices/pump-01");
  await expect(page.getByText("none yet")).toBeVisible();
  await expect(page.locator(charts).first()).toBeVisible();
});

test("however often it is zoomed out, the span stays where the device has samples", async ({ page }) => {
  await page.goto("/devices/pump-01");
  await expect(page.locator(charts).first()).toBeVisible();
  const steps = await page.evaluate(() => history.length);
  for (let i = 0; i < 60; i++) await page.keyboard.press("-");
  const { first_time, last_time } = await api<DeviceFacts>(page, "devices/pump-01");
  const all = Date.parse(last_time ?? "") - Date.parse(first_time ?? "");
  const shown = new URL(page.url()).searchParams;
  expect(Date.parse(shown.get("to") ?? "") - Date.parse(shown.get("from") ?? "")).toBeLessThan(1.2 * all + 200_000);
  expect(await page.evaluate(() => history.length)).toBe(steps + 1);
});

test("a device that nobody knows is said to be unknown", async ({ page }) => {
  await page.goto("/devices/no-such-pump");
  await expect(page.getByRole("alert")).toBeVisible();
});
