// What the dashboard believes of the API is what the server says of it.
import { readFileSync } from "node:fs";

import ts from "typescript";

import { expect, test } from "./dashboard";

/** Shapes of `src/api.ts`, and their names at the server. */
const NAMES = {
  WhoAmI: "WhoAmI", Status: "Status", Device: "Device", DeviceFacts: "DeviceDetail", Devices: "DevicePage", ChannelHistory: "ChannelLine",
  History: "History", EventChannel: "Channel", EventAlert: "AlertOfEvent", Event: "Event", EventFacts: "EventDetail", Anomalies: "EventPage",
  Version: "VersionBody", Model: "ModelBody", Epoch: "LossBody", VersionFacts: "FactsBody", TrainRequest: "TrainBody", Job: "JobBody",
  ChannelDrift: "DriftOfChannel", Drift: "DriftOfModel", Config: "ConfigBody", Key: "KeyBody", AuditEntry: "Entry", Audit: "Entries",
};

interface Schema {
  $ref?: string;
  type?: string | string[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
}

/** Fields, and whether they may be null. */
type Fields = Record<string, boolean>;

function believed(): Map<string, Fields> {
  const source = ts.createSourceFile("api.ts", readFileSync("src/api.ts", "utf8"), ts.ScriptTarget.ES2022, true);
  const shapes = new Map<string, Fields>();
  for (const shape of source.statements.filter(ts.isInterfaceDeclaration)) {
    const above = shape.heritageClauses?.flatMap(({ types }) => types.map((type) => shapes.get(type.getText()) ?? {})) ?? [];
    const own = shape.members.filter(ts.isPropertySignature).map(({ name, type }) => {
      const isNull = type !== undefined && ts.isUnionTypeNode(type) && type.types.some((one) => one.getText() === "null");
      return [name.getText(), isNull] as const;
    });
    shapes.set(shape.name.text, Object.assign({}, ...above, Object.fromEntries(own)) as Fields);
  }
  return shapes;
}

test("shapes of the API are those of its description", async ({ page, baseURL }) => {
  const document = (await (await page.request.get(`${baseURL}/openapi.json`)).json()) as { components: { schemas: Record<string, Schema> } };
  const { schemas } = document.components;
  const isNull = ({ type, oneOf }: Schema): boolean => type === "null" || (Array.isArray(type) && type.includes("null")) || (oneOf?.some(isNull) ?? false);
  const fields = ({ $ref, allOf, properties }: Schema): Fields => {
    if ($ref) return fields(schemas[$ref.split("/").at(-1) ?? ""] ?? {});
    const own = Object.entries(properties ?? {}).map(([name, schema]) => [name, isNull(schema)]);
    return Object.assign({}, ...(allOf ?? []).map(fields), Object.fromEntries(own)) as Fields;
  };
  const shapes = believed();
  for (const [ours, theirs] of Object.entries(NAMES)) expect(shapes.get(ours), `${ours}, at the server ${theirs}`).toEqual(fields(schemas[theirs] ?? {}));
});
