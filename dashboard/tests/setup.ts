// The real program with a made fleet: trained, served, and fed while the tests run.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

import { ROLES } from "../src/api";

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
[models]
default = "pump"

[server]
listen = "127.0.0.1:0"
`;

const LIVE_MS = 500;
const READY_MS = 60_000;

export default async function setup(): Promise<() => Promise<void>> {
  const program = process.env["BELLWETHER_BIN"];
  if (!program) throw new Error("BELLWETHER_BIN names no program: set it to the path of bellwether");
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const env = { ...process.env, BELLWETHER_HOME: FOLDER };
  const run = (...args: string[]) => execFileSync(program, args, { cwd: FOLDER, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

  run(...GENERATE);
  for (const seed of ["1", "2"]) {
    run("train", "fleet.csv", "--name", "pump", "--rows", String(TRAIN_ROWS), "--epochs", "4", "--seed", seed, "--registry", "models");
  }
  for (const role of ROLES) {
    process.env[`BELLWETHER_KEY_${role}`] = run("keys", "create", "--name", `the-${role}`, "--role", role, "--database", "sqlite:live.db");
  }
  writeFileSync(`${FOLDER}/bellwether.toml`, CONFIG.trimStart());

  const server = spawn(program, ["serve", "--config", "bellwether.toml", "--database", "sqlite:live.db", "--registry", "models"], { cwd: FOLDER, env, stdio: ["ignore", "ignore", "pipe"] });
  const url = await listening(server);
  process.env["BELLWETHER_URL"] = url;
  await ready(url);

  const [header, ...rows] = readFileSync(`${FOLDER}/fleet.csv`, "utf8").trim().split("\n");
  const feed = feeder(url, header ?? "", byTime(rows));
  await feed(HISTORY_ROWS * DEVICES);
  const timer = setInterval(() => void feed(DEVICES), LIVE_MS);

  return async () => {
    clearInterval(timer);
    const ended = new Promise((done) => server.once("exit", done));
    server.kill("SIGTERM");
    await ended;
  };
}

/** The server says where it listens. */
function listening(server: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    server.once("exit", (code) => failed(new Error(`the server ended with ${code} before it listened`)));
    if (!server.stderr) return;
    createInterface(server.stderr).on("line", (line) => {
      const url = /^listening on (\S+)/.exec(line)?.[1];
      if (url) found(url);
      else console.error(`serve: ${line}`);
    });
  });
}

async function ready(url: string): Promise<void> {
  const until = Date.now() + READY_MS;
  while (Date.now() < until) {
    const answer = await fetch(`${url}/health/ready`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the server at ${url} is not ready after ${READY_MS} ms`);
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
