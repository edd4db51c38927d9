import { type Device, type Devices, STATES, type Status } from "../src/api";
import { STATE_WORDS } from "../src/words";
import { api, expect, test } from "./dashboard";

test("the fleet shows every device with its state, and the counts add up", async ({ page }) => {
  await page.goto("/");
  const { devices } = await api<Devices>(page, "devices");
  expect(devices.length).toBe(3);
  for (const { device, state } of devices) {
    await expect(page.locator(`tr[data-device="${device}"]`)).toContainText(STATE_WORDS[state].name);
  }
  const { devices: counts } = await api<Status>(page, "status");
  expect(STATES.reduce((sum, state) => sum + counts[state], 0)).toBe(counts.total);
  for (const state of STATES) {
    const button = page.getByRole("group", { name: "Devices by state" }).getByRole("button", { name: STATE_WORDS[state].name });
    await expect(button.locator("b")).toHaveText(String(counts[state]));
  }
  await expect(page.getByRole("button", { name: /All devices/ }).locator("b")).toHaveText(String(devices.length));
  const nOpen = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /Events/ }).locator(".count");
  await expect(nOpen).toHaveText(String((await api<Status>(page, "status")).events_open));
});

test("scores on the fleet page move while samples come in", async ({ page }) => {
  await page.goto("/");
  const score = page.locator('tr[data-device="pump-01"] td').nth(1);
  const before = await score.textContent();
  await expect(score).not.toHaveText(before ?? "");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
});

test("the slash searches, and a state filters", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("tr[data-device]")).toHaveCount(3);
  await page.keyboard.press("/");
  await page.keyboard.type("pump-02");
  await expect(page.locator("tr[data-device]")).toHaveCount(1);
  await expect(page).toHaveURL(/query=pump-02/);
  await page.getByRole("searchbox").fill("nothing-is-called-so");
  await expect(page.getByText("No device is like that")).toBeVisible();
  await page.getByRole("button", { name: "Show all devices" }).click();
  await page.getByRole("button", { name: "Event" }).click();
  await expect(page.locator('tr[data-device="pump-02"]')).toBeVisible();
  await expect(page.locator("tr[data-device]").filter({ hasNotText: "Event" })).toHaveCount(0);
});

test("ten thousand devices make no more rows than fit on the screen", async ({ page }) => {
  const slots = Array.from({ length: 60 }, (_, i) => (i % 7) / 10);
  const device = (i: number) => ({
    device: `robot-${String(i).padStart(5, "0")}`, model: "robot@1", state: "normal", last_time: "2024-01-01T00:00:00Z",
    last_seen: "2024-01-01T00:00:00Z", score: 0.5, worst: null, sparkline: slots, open_event: null,
  });
  await page.route("**/api/v1/devices?*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [from, limit] = [Number(query.get("cursor") ?? 0), Number(query.get("limit"))];
    const devices = Array.from({ length: limit }, (_, i) => device(from + i));
    return route.fulfill({ json: { devices, next: from + limit < 10_000 ? String(from + limit) : null, total: 10_000 } });
  });
  await page.goto("/");
  await expect(page.getByText("10,000 devices")).toBeVisible();
  for (let i = 0; i < 12; i++) {
    await page.mouse.wheel(0, 4_000);
    await page.waitForTimeout(60);
  }
  await expect(page.getByText(/robot-00[3-9]\d\d/).first()).toBeVisible();
  expect(await page.locator("tr[data-device]").count()).toBeLessThan(80);
});

test("the worst stays first while scores change", async ({ page }) => {
  const { devices } = await api<Devices>(page, "devices");
  // The list as it was a moment ago, in another order; then the stream tells of a device.
  let isOld = true;
  await page.route("**/api/v1/devices?*", (route) =>
    isOld
      ? route.fulfill({ json: { devices: devices.toReversed().map((one, i): Device => ({ ...one, state: "normal", worst: { score: 0.9 - i / 10, time: "2024-01-01T00:00:00Z" } })), next: null, total: devices.length } })
      : route.continue(),
  );
  await page.goto("/");
  await expect(page.locator("tr[data-device]").last()).toHaveAttribute("data-device", devices[0]?.device ?? "");
  isOld = false;
  await expect(page.locator("tr[data-device]").first()).toHaveAttribute("data-device", devices[0]?.device ?? "");
});

test("what was read stays in sight when the next answer fails", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("tr[data-device]")).toHaveCount(3);
  await page.route("**/api/v1/status", (route) => route.fulfill({ status: 503, json: { title: "Busy", detail: "come back later" } }));
  await expect(page.getByRole("alert")).toContainText("come back later");
  await expect(page.locator("tr[data-device]")).toHaveCount(3);
});

test("an address that is no page says so", async ({ page }) => {
  await page.goto("/constructor");
  await expect(page.getByText("There is no such page")).toBeVisible();
});

test("an empty server says how to send the first sample", async ({ page }) => {
  await page.route("**/api/v1/devices?*", (route) => route.fulfill({ json: { devices: [], next: null, total: 0 } }));
  await page.goto("/");
  await expect(page.getByText("No device has spoken yet")).toBeVisible();
  await expect(page.locator("pre")).toContainText("/api/v1/data/batch");
});

test("what fails says why, and can be tried again", async ({ page }) => {
  let isBroken = true;
  await page.route("**/api/v1/devices?*", (route) =>
    isBroken
      ? route.fulfill({
          status: 503,
          contentType: "application/problem+json",
          json: { type: "urn:bellwether:problem:busy", title: "Busy", status: 503, detail: "the database is being rebuilt", request_id: "abc-1" },
        })
      : route.continue(),
  );
  await page.goto("/");
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("the database is being rebuilt");
  await expect(alert).toContainText("abc-1");
  isBroken = false;
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(page.locator('tr[data-device="pump-01"]')).toBeVisible();
});
