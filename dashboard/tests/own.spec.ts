// Servers that a test has for itself: empty ones, and such that end and begin again.
import { readFileSync } from "node:fs";

import type { Job } from "../src/api";
import { expect, isAccessible, test as base } from "./dashboard";
import { emptied, run, Server } from "./server";

const test = base.extend<{ folder: string; auth: "none" | "keys"; server: Server }>({
  role: null,
  auth: ["none", { option: true }],
  folder: async ({}, use, info) => {
    const folder = info.outputPath("server");
    emptied(folder);
    await use(folder);
  },
  server: async ({ folder, auth }, use) => {
    const server = await Server.start(folder, "--auth", auth);
    await use(server);
    await server.stop();
  },
  baseURL: async ({ server }, use) => use(server.url),
});

test("a server without a model says how to get one, and after a restart the page goes on by itself", async ({ page, folder, server }) => {
  test.setTimeout(120_000);
  await page.goto("/");
  await expect(page.getByText("No model is in service yet")).toBeVisible();
  await expect(page.locator("pre").first()).toContainText("/api/v1/models/train?name=pump");
  await expect(page.locator("pre").nth(1)).toContainText("bellwether train DATA.csv --name pump");
  await page.screenshot({ path: "test-results/screens/first-run.png", fullPage: true });
  await isAccessible(page, "the first run");
  // As the page says.
  run(folder, "generate", "--devices", "1", "--samples", "1200", "--seed", "3", "-o", "data.csv");
  const table = readFileSync(`${folder}/data.csv`, "utf8");
  const [header = "", ...rows] = table.trim().split("\n");
  const send = (path: string, data: string) => page.request.post(`${server.url}/api/v1/${path}`, { data, headers: { "content-type": "text/csv" } });
  const answer = await send("models/train?name=pump&epochs=2", `${[header, ...rows.slice(0, 1_000)].join("\n")}\n`);
  expect(answer.status()).toBe(202);
  const { id } = (await answer.json()) as Job;
  await expect.poll(async () => ((await (await page.request.get(`${server.url}/api/v1/jobs/${id}`)).json()) as Job).state, { timeout: 60_000 }).toBe("done");
  await server.stop();
  await expect(page.getByText("Connecting", { exact: true })).toBeVisible();
  await server.again();
  await expect(page.getByText("Live", { exact: true })).toBeVisible({ timeout: 40_000 });
  await expect(page.getByText("No device has spoken yet")).toBeVisible();
  const samples = [`device,${header}`, ...rows.slice(1_000).map((row) => `pump-01,${row}`)];
  expect((await send("data/batch", `${samples.join("\n")}\n`)).status()).toBe(200);
  await expect(page.locator('tr[data-device="pump-01"]')).toBeVisible();
});

test.describe("with keys", () => {
  test.use({ auth: "keys" });

  test("who was signed in is asked for the key again after a restart", async ({ page, folder, server }) => {
    const key = run(folder, "keys", "create", "--name", "me", "--role", "viewer", "--database", "sqlite:live.db");
    await page.goto("/events");
    await page.getByLabel("Key", { exact: true }).fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByText("Live", { exact: true })).toBeVisible();
    await server.stop();
    await server.again();
    await expect(page.getByLabel("Key", { exact: true })).toBeVisible({ timeout: 40_000 });
  });
});
