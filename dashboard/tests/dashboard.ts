// What every test of the dashboard begins with: somebody signed in, and nothing that the browser had to refuse.
import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page, test as base } from "@playwright/test";

import type { Role } from "../src/api";

export const url = (): string => process.env["BELLWETHER_URL"] ?? "";
export const keyOf = (role: Role): string => process.env[`BELLWETHER_KEY_${role}`] ?? "";

export const test = base.extend<{ role: Role | null; refusals: string[] }>({
  role: ["admin", { option: true }],
  baseURL: async ({}, use) => use(url()),
  refusals: [
    async ({ page, baseURL }, use) => {
      const refusals: string[] = [];
      page.on("console", (message) => {
        if (/content security policy/i.test(message.text())) refusals.push(message.text());
      });
      page.on("pageerror", (error) => refusals.push(String(error)));
      page.on("request", (request) => {
        if (!request.url().startsWith(baseURL ?? "") && !request.url().startsWith("data:")) refusals.push(`asked ${request.url()}`);
      });
      await use(refusals);
      expect(refusals, "mistakes of scripts, refusals of the content security policy, requests to others").toEqual([]);
    },
    { auto: true },
  ],
  page: async ({ page, role }, use) => {
    if (role !== null) {
      const answer = await page.request.post(`${url()}/api/v1/sign-in`, { data: { key: keyOf(role) } });
      expect(answer.ok(), `a key of the role ${role} signs in`).toBe(true);
    }
    await use(page);
  },
});

/** The dashboard asks the API itself; so does a test that wants to know what is true. */
export async function api<T>(page: Page, path: string): Promise<T> {
  const answer = await page.request.get(`${url()}/api/v1/${path}`);
  expect(answer.status(), path).toBe(200);
  return (await answer.json()) as T;
}

export async function isAccessible(page: Page, name: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} ${failureSummary ?? ""}`).join("; ")}`);
  expect(said, `what axe finds on ${name}`).toEqual([]);
}

export { expect };
