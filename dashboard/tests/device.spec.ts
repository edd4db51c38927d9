import type { DeviceFacts, History } from "../src/api";
import { api, expect, test } from "./dashboard";

const charts = ".chart canvas";

test("a device has a chart of its score and one of each channel", async ({ page }) => {
  await page.goto("/devices/pump-01");
  const { channels } = await api<DeviceFacts>(page, "devices/pump-01");
  await expect(page.locator(charts)).toHaveCount(channels.length + 1);
  for (const channel of channels) await expect(page.getByRole("heading", { name: channel })).toBeVisible();
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

test("a device that is followed live draws new samples", async ({ page }) => {
  await page.goto("/devices/pump-01?last=1h");
  const label = page.locator(".chart").first();
  await expect(label).toBeVisible();
  const before = await label.getAttribute("aria-label");
  await expect(label).not.toHaveAttribute("aria-label", before ?? "");
});

test("a device that nobody knows is said to be unknown", async ({ page }) => {
  await page.goto("/devices/no-such-pump");
  await expect(page.getByRole("alert")).toBeVisible();
});
