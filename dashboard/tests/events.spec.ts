import type { Anomalies, EventFacts } from "../src/api";
import { api, expect, test } from "./dashboard";

const newest = async (page: Parameters<typeof api>[0], query = "") => {
  const { anomalies } = await api<Anomalies>(page, `anomalies?${query}`);
  const event = anomalies[0];
  if (!event) throw new Error(`there is no event for ${query}: the fleet was made with faults`);
  return event;
};

/** The event that an address of the inbox shows. */
const eventOf = (url: string) => new URL(url).pathname.split("/").at(-1) ?? "";

test("an event shows its channels, who moved first, and leads to the device at that time", async ({ page }) => {
  const { id } = await newest(page, "device=pump-01");
  await page.goto(`/events/${id}`);
  const facts = await api<EventFacts>(page, `anomalies/${id}`);
  const table = page.getByRole("region", { name: "Channels of the event" });
  await expect(table.locator("tbody tr").first()).toContainText(facts.channels[0]?.channel ?? "?");
  expect(facts.channels.reduce((sum, { share }) => sum + (share ?? 0), 0)).toBeCloseTo(1, 6);
  if (facts.onset[0]) await expect(page.locator("ol li").first()).toContainText(facts.onset[0].channel);
  await page.getByRole("link", { name: "Show the device at that time" }).click();
  await expect(page).toHaveURL(/devices\/pump-01\?from=/);
  await expect(page.getByRole("heading", { name: "Events in this stretch" })).toBeVisible();
});

test("a verdict is kept with its note, and other windows show it at once", async ({ page, context }) => {
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

// While there is an event that no test has judged: the fleet has few.
test("what was judged leaves the list of what was not", async ({ page }) => {
  await page.goto("/events");
  await page.getByLabel("Verdict").first().selectOption("none");
  await expect(page).toHaveURL(/verdict=none/);
  await page.locator("[id^=event-]").first().getByRole("link").click();
  await expect(page).toHaveURL(/events\/.+/);
  // Not what was first before: another event may have begun meanwhile.
  const id = eventOf(page.url());
  await page.getByRole("button", { name: /^Real/ }).click();
  await expect(page.locator(`#event-${id}`)).toHaveCount(0);
  await expect(page.getByRole("article")).toBeVisible();
});

test("a list that was asked for before a verdict does not bring back what was judged", async ({ page }) => {
  // It is over: no later change of it takes it off the list.
  const { id, verdict } = await newest(page, "device=pump-01");
  await page.goto(`/events/${id}?verdict=${verdict ?? "none"}`);
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(page.locator(`#event-${id}`)).toBeVisible();
  let answer = () => {};
  const isToAnswer = new Promise<void>((resolve) => (answer = resolve));
  const isAsked = new Promise<void>((resolve) => {
    void page.route("**/api/v1/anomalies?*", async (route) => {
      const response = await route.fetch();
      resolve();
      await isToAnswer;
      await route.fulfill({ response });
    });
  });
  await page.getByLabel("Open or ended").selectOption("false");
  await isAsked;
  await page.getByRole("button", { name: /^Real/ }).click();
  await expect(page.locator(`#event-${id}`)).toHaveCount(0);
  const listed = page.waitForResponse("**/api/v1/anomalies?*");
  answer();
  await (await listed).finished();
  await expect(page.getByText("No event is like that")).toBeVisible();
  await expect(page.locator(`#event-${id}`)).toHaveCount(0);
});

test("links of the list say a filter as soon as it is chosen", async ({ page }) => {
  await page.goto("/events");
  const link = page.locator("[id^=event-]").first().getByRole("link");
  await expect(link).toBeVisible();
  await page.route("**/api/v1/anomalies?*", () => {}); // the list stays as it is
  await page.getByLabel("Severity").selectOption("25");
  await expect(link).toHaveAttribute("href", /severity_min=25/);
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
  const id = eventOf(first);
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

test("a key that is held down counts once, and none counts where single keys are off", async ({ page }) => {
  const { id } = await newest(page, "device=pump-01");
  const said = async () => (await api<EventFacts>(page, `anomalies/${id}`)).feedback.length;
  const before = await said();
  await page.goto(`/events/${id}`);
  await expect(page.getByRole("group", { name: "Verdict" })).toBeVisible();
  await page.keyboard.down("3");
  for (let i = 0; i < 5; i++) await page.keyboard.down("3");
  await page.keyboard.up("3");
  await expect.poll(said).toBe(before + 1);
  await page.keyboard.press("?");
  await page.getByRole("checkbox").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  await page.getByRole("button", { name: /^False alarm/ }).click();
  await expect.poll(said).toBe(before + 2);
  expect((await api<EventFacts>(page, `anomalies/${id}`)).verdict).toBe("false-alarm");
});

test("looking at an event of the second page keeps the list and its stream", async ({ page }) => {
  const real = await newest(page, "device=pump-01");
  const event = (i: number) => ({ ...real, id: String(i).padStart(12, "0"), start: new Date(Date.parse(real.start) - i * 60_000).toISOString() });
  await page.route("**/api/v1/anomalies?*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [from, limit] = [Number(query.get("cursor") ?? 0), Number(query.get("limit"))];
    return route.fulfill({ json: { anomalies: Array.from({ length: limit }, (_, i) => event(from + i)), next: String(from + limit) } });
  });
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const items = page.locator("[id^=event-]");
  // Of a device that is calm now: what happens live is not to come between.
  await page.goto("/events?device=pump-01");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(items).toHaveCount(50);
  await page.getByRole("button", { name: "Show older events" }).click();
  await expect(items).toHaveCount(100);
  const lists = () => asked.filter((path) => path === "/api/v1/anomalies").length;
  const before = lists();
  await items.nth(70).getByRole("link").click();
  await expect(page).toHaveURL(/events\/000000000070/);
  await expect(page.getByRole("alert")).toBeVisible(); // the event is made up
  await expect(items).toHaveCount(100);
  expect(lists()).toBe(before);
  expect(asked.filter((path) => path === "/api/v1/detect/stream")).toHaveLength(1);
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
