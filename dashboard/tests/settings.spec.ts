import type { Config } from "../src/api";
import { api, expect, test, url } from "./dashboard";

test("a mistake in the configuration is shown with its place, and changes nothing", async ({ page }) => {
  await page.goto("/settings");
  const before = await api<Config>(page, "config");
  const editor = page.getByLabel("Configuration as TOML");
  await expect(editor).toHaveValue(before.file ?? "?");
  await editor.fill("[models]\nwrong = 1\n");
  await page.getByRole("button", { name: "Save" }).click();
  const mistakes = page.getByRole("alert");
  await expect(mistakes).toContainText("Line 2");
  await expect(mistakes).toContainText("wrong");
  expect((await api<Config>(page, "config")).toml).toBe(before.toml);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(editor).toHaveValue(before.file ?? "?");
});

test("a change keeps what people wrote, and never undoes that of another", async ({ page }) => {
  await page.goto("/settings");
  const { file } = await api<Config>(page, "config");
  expect(file).toContain("# Why");
  const editor = page.getByLabel("Configuration as TOML");
  await editor.fill(`${file}[stream]\nlatency = "30ms"\n`);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  const saved = await api<Config>(page, "config");
  expect(saved.file).toBe(`${file}[stream]\nlatency = "30ms"\n`);
  await expect(page.getByRole("region", { name: "In force" })).toContainText('latency = "30ms"');
  // Somebody else, meanwhile.
  const put = await page.request.put(`${url()}/api/v1/config`, { data: file ?? "", headers: { "content-type": "text/plain" } });
  expect(put.status()).toBe(200);
  await editor.fill(`${saved.file}# mine\n`);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("Somebody else has changed it meanwhile");
  expect((await api<Config>(page, "config")).file).toBe(file);
  await page.getByRole("button", { name: "Read it again" }).click();
  await expect(editor).toHaveValue(file ?? "?");
});

test("a key is made, shown once, and opens nothing after it is revoked", async ({ page, playwright }) => {
  await page.goto("/settings/keys");
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByLabel(/^Name/).fill("a test");
  await page.getByRole("button", { name: "Make the key" }).click();
  const dialog = page.getByRole("dialog", { name: "Your new key" });
  const key = (await dialog.locator("pre").textContent()) ?? "";
  expect(key).toMatch(/^bw_/);
  const stranger = await playwright.request.newContext();
  const whoami = async () => (await stranger.get(`${url()}/api/v1/whoami`, { headers: { authorization: `Bearer ${key}` } })).status();
  expect(await whoami()).toBe(200);
  await dialog.getByRole("button", { name: "I have it" }).click();
  await expect(page.getByText(key)).toHaveCount(0);
  await page.getByRole("button", { name: "Revoke a test" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("row", { name: /a test/ })).toContainText("revoked");
  await expect.poll(whoami).toBe(401);
  await stranger.dispose();
});

test("the audit log says who did what, and that nothing was taken out", async ({ page }) => {
  await page.goto("/settings/audit");
  await expect(page.getByText(/chain of entries is intact/)).toBeVisible();
  await expect(page.getByRole("region", { name: "Entries of the audit log" }).locator("tbody tr").first()).toBeVisible();
});
