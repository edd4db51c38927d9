// The real program with a made fleet: trained, served, and fed while the tests run.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

import { ROLES } from "../src/api";
import { emptied, run as runIn, Server } from "./server";

const FOLDER = resolve("test-results/fleet");

/** Healthy rows that the model learns from; then what was judged before the tests; then what comes during them. */
const TRAIN_ROWS = 900;
const HISTORY_ROWS = 1_500;
const SAMPLES = 6_000;
const DEVICES = 3;

const GENERATE = [
  "generate", "--devices", String(DEVICES), "--samples", String(SAMPLES), "--seed", "7", "-o", "fleet.csv",
  "--anomaly", "pump-01/level-shift@1100+80*8:pressure_out_bar",
  "--anomaly", "pump-02/noise@1440+4000*12:bearing_temp_c",
];

const CONFIG = `
# Why: all of them are pumps.
[models]
default = "pump"
`;

const LIVE_MS = 500;
export default async function setup(): Promise<() => Promise<void>> {
  emptied(FOLDER);
  const run = (...args: string[]) => runIn(FOLDER, ...args);

  run(...GENERATE);
  for (const seed of ["1", "2"]) {
    run("train", "fleet.csv", "--name", "pump", "--rows", String(TRAIN_ROWS), "--epochs", "4", "--seed", seed, "--registry", "models");
  }
  for (const role of ROLES) {
    process.env[`BELLWETHER_KEY_${role}`] = run("keys", "create", "--name", `the-${role}`, "--role", role, "--database", "sqlite:live.db");
  }
  writeFileSync(`${FOLDER}/bellwether.toml`, CONFIG.trimStart());

  const server = await Server.start(FOLDER, "--config", "bellwether.toml", "--registry", "models");
  const { url } = server;
  process.env["BELLWETHER_URL"] = url;

  const [header, ...rows] = readFileSync(`${FOLDER}/fleet.csv`, "utf8").trim().split("\n");
  const feed = feeder(url, header ?? "", byTime(rows));
  await feed(HISTORY_ROWS * DEVICES);
  const timer = setInterval(() => void feed(DEVICES), LIVE_MS);

  return async () => {
    clearInterval(timer);
    await server.stop();
  };
}

/** The devices of a fleet stand one after the other in its file, but speak at the same time. */
function byTime(rows: string[]): string[] {
  return rows.map((row) => ({ row, time: /\d{4}-[^,]*/.exec(row)?.[0] ?? "" })).sort((a, b) => a.time.localeCompare(b.time)).map(({ row }) => row);
}

function feeder(url: string, header: string, rows: string[]): (n: number) => Promise<void> {
  let at = 0;
  return async (n) => {
    const some = rows.slice(at, at + n);
    at += n;
    if (some.length === 0) return;
    const answer = await fetch(`${url}/api/v1/data/batch`, {
      method: "POST",
      headers: { "content-type": "text/csv", authorization: `Bearer ${process.env["BELLWETHER_KEY_operator"]}` },
      body: `${header}\n${some.join("\n")}\n`,
    });
    if (!answer.ok) throw new Error(`samples were refused: ${answer.status} ${await answer.text()}`);
  };
}
