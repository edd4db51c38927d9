import type { Anomalies, EventFacts } from "../src/api";
import { api, expect, test } from "./dashboard";

const newest = async (page: Parameters<typeof api>[0], query = "") => {
  const { anomalies } = await api<Anomalies>(page, `anomalies?${query}`);
  const event = anomalies[0];
  if (!event) throw new Error(`there is no event for ${query}: the fleet was made with faults`);
  return event;
};

test("an event shows its channels, who moved first, and leads to the device at that time", async ({ page }) => {
  const { id } = await newest(page, "device=pump-01");
  await page.goto(`/events/${id}`);
  const facts = await api<EventFacts>(page, `anomalies/${id}`);
  const table = page.getByRole("region", { name: "Channels of the event" });
  await expect(table.locator("tbody tr").first()).toContainText(facts.channels[0]?.channel ?? "?");
  expect(facts.channels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  if (facts.onset[0]) await expect(page.locator("ol li").first()).toContainText(facts.onset[0].channel);
  await page.getByRole("link", { name: "Show the device at that time" }).click();
  await expect(page).toHaveURL(/devices\/pump-01\?from=/);
  await expect(page.getByRole("heading", { name: "Events in this stretch" })).toBeVisible();
});

test("a verdict is kept with its note, and other windows show it when they are opened again", async ({ page, context }) => {
  const { id } = await newest(page, "device=pump-01");
  const other = await context.newPage();
  await other.goto("/events");
  await expect(other.locator(`#event-${id}`)).toBeVisible();
  await page.goto(`/events/${id}`);
  await page.getByLabel(/Note for those/).fill("bearing replaced");
  await page.getByRole("button", { name: /^Maintenance/ }).click();
  await expect(page.getByText("bearing replaced")).toBeVisible();
  const facts = await api<EventFacts>(page, `anomalies/${id}`);
  expect(facts.verdict).toBe("maintenance");
  expect(facts.feedback.some(({ note, made_by }) => note === "bearing replaced" && made_by.startsWith("the-admin ("))).toBe(true);
  await other.reload();
  await expect(other.locator(`#event-${id}`)).toContainText("Maintenance");
});

test("acknowledging says who looks after an event", async ({ page }) => {
  const { id } = await newest(page, "open=true");
  await page.goto(`/events/${id}`);
  await page.getByRole("button", { name: "Acknowledge" }).click();
  await expect(page.getByText(/by the-admin/)).toBeVisible();
  const { alert } = await api<EventFacts>(page, `anomalies/${id}`);
  expect(alert?.state).toBe("acknowledged");
});

test("the inbox can be worked through by keys alone", async ({ page }) => {
  await page.goto("/events");
  await expect(page.locator("[id^=event-]").first()).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("j");
  await expect(page).toHaveURL(/events\/.+/);
  const first = page.url();
  await page.keyboard.press("j");
  await expect.poll(() => page.url()).not.toBe(first);
  await page.keyboard.press("k");
  await expect.poll(() => page.url()).toBe(first);
  const id = new URL(first).pathname.split("/").at(-1) ?? "";
  await expect(page.getByRole("group", { name: "Verdict" })).toBeVisible();
  await page.keyboard.press("2");
  await expect.poll(async () => (await api<EventFacts>(page, `anomalies/${id}`)).verdict).toBe("real");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toContainText("Next event");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("filters of the inbox stand in the address", async ({ page }) => {
  await page.goto("/events");
  await page.getByLabel("Open or ended").selectOption("false");
  await expect(page).toHaveURL(/open=false/);
  await expect(page.locator("[id^=event-]").first()).toBeVisible();
  await expect(page.locator("[id^=event-] .tag.alarm")).toHaveCount(0);
});

test("a link of a message asks before it gives the verdict", async ({ page }) => {
  const { alert, id } = await newest(page, "device=pump-01");
  expect(alert).not.toBeNull();
  const before = (await api<EventFacts>(page, `anomalies/${id}`)).feedback.length;
  await page.goto(`/alerts/${alert?.id}/feedback/false-alarm`);
  await expect(page.getByRole("heading", { name: "False alarm?" })).toBeVisible();
  expect((await api<EventFacts>(page, `anomalies/${id}`)).feedback.length).toBe(before);
  await page.getByRole("button", { name: "Yes: false alarm" }).click();
  await expect(page.getByRole("heading", { name: "Noted: false alarm" })).toBeVisible();
  expect((await api<EventFacts>(page, `anomalies/${id}`)).verdict).toBe("false-alarm");
});
