import type { Drift, Model } from "../src/api";
import { api, expect, test } from "./dashboard";

test("a version is promoted with a reason, and rolled back", async ({ page }) => {
  await page.goto("/models");
  const card = page.getByRole("region", { name: "Model pump", exact: true });
  const champion = async () => (await api<{ models: Model[] }>(page, "models")).models.find(({ name }) => name === "pump")?.champion;
  const before = await champion();
  await card.getByRole("button", { name: "Promote" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Reason/).fill("a test asked for it");
  await dialog.getByRole("button", { name: "Promote" }).click();
  await expect(dialog).toHaveCount(0);
  await expect.poll(champion).not.toBe(before);
  await card.getByText(/^History/).click();
  await expect(card).toContainText("a test asked for it");
  await card.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await expect.poll(champion).toBe(before);
});

test("a version says what it is made of, with its loss", async ({ page }) => {
  await page.goto("/models/pump");
  await expect(page.getByText(/weights$/)).toBeVisible();
  await expect(page.getByRole("img", { name: /Loss by epoch/ }).first()).toBeVisible();
});

test("a training started here ends in a new version", async ({ page }) => {
  test.setTimeout(180_000);
  await page.goto("/models");
  const versions = async () => (await api<{ models: Model[] }>(page, "models")).models.find(({ name }) => name === "pump")?.versions.length ?? 0;
  const before = await versions();
  await page.getByRole("button", { name: "Train a model" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Name/).fill("pump");
  await dialog.getByLabel(/Devices/).fill("pump-03");
  await dialog.getByText("More").click();
  await dialog.getByLabel(/Epochs/).fill("3");
  await dialog.getByRole("button", { name: "Start training" }).click();
  const job = page.locator("[data-job]").first();
  await expect(job).toContainText("Done", { timeout: 150_000 });
  await expect(job).toContainText("made pump@");
  expect(await versions()).toBe(before + 1);
});

test("a dialog says itself why something was refused", async ({ page }) => {
  await page.goto("/models");
  await page.getByRole("button", { name: "Train a model" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Name/).fill("pump");
  await dialog.getByLabel(/Devices/).fill(Array.from({ length: 101 }, (_, i) => `pump-${i}`).join(","));
  await dialog.getByRole("button", { name: "Start training" }).click();
  await expect(dialog.getByRole("alert")).toContainText("patterns");
  await expect(dialog.getByRole("button", { name: "Start training" })).toBeEnabled();
});

test("a training can be cancelled", async ({ page }) => {
  await page.goto("/models");
  await page.getByRole("button", { name: "Train a model" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Name/).fill("pump");
  await dialog.getByLabel(/Devices/).fill("pump-*");
  await dialog.getByText("More").click();
  await dialog.getByLabel(/Epochs/).fill("1000");
  await dialog.getByRole("button", { name: "Start training" }).click();
  const job = page.locator("[data-job]").first();
  await job.getByRole("button", { name: "Cancel" }).click();
  await expect(job).toContainText("Cancelled", { timeout: 30_000 });
});

test("drift names what moved and what to do", async ({ page }) => {
  await page.goto("/drift");
  const drift = await api<Drift>(page, "drift?model=pump");
  await expect(page.getByText(drift.advice)).toBeVisible();
  const heading = drift.is_drift ? "Something has moved" : drift.is_judged ? "No drift" : "Too little to judge";
  await expect(page.getByRole("region", { name: "Verdict" }).getByRole("heading")).toHaveText(heading);
  const table = page.getByRole("region", { name: "Drift by channel" });
  for (const { channel } of drift.channels) await expect(table).toContainText(channel);
});
