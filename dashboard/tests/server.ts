// The real program: run to its end, or as a server.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";

const READY_MS = 60_000;

function program(): string {
  const path = process.env["BELLWETHER_BIN"];
  if (!path) throw new Error("BELLWETHER_BIN names no program: set it to the path of bellwether");
  return path;
}

const home = (folder: string) => ({ ...process.env, BELLWETHER_HOME: folder });

/** A folder with nothing in it. */
export function emptied(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

/** Runs the program in a folder; what it wrote. */
export function run(folder: string, ...args: string[]): string {
  return execFileSync(program(), args, { cwd: folder, env: home(folder), encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}

export class Server {
  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly args: string[],
    private child: ChildProcess,
  ) {}

  /** Starts `serve` in a folder that keeps all of it, and waits until samples are taken. */
  static async start(folder: string, ...args: string[]): Promise<Server> {
    const { child, url } = await listening(folder, "127.0.0.1:0", args);
    return new Server(url, folder, args, child);
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGTERM");
    await ended;
  }

  /** Starts again after `stop`, at the same address. */
  async again(): Promise<void> {
    this.child = (await listening(this.folder, new URL(this.url).host, this.args)).child;
  }
}

async function listening(folder: string, address: string, args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(program(), ["serve", "--listen", address, "--database", "sqlite:live.db", ...args], { cwd: folder, env: home(folder), stdio: ["ignore", "ignore", "pipe"] });
  const url = await new Promise<string>((found, failed) => {
    child.once("exit", (code) => failed(new Error(`the server ended with ${code} before it listened`)));
    createInterface(child.stderr).on("line", (line) => {
      const url = /^listening on (\S+)/.exec(line)?.[1];
      if (url) found(url);
      else console.error(`serve: ${line}`);
    });
  });
  const until = Date.now() + READY_MS;
  while (Date.now() < until) {
    const answer = await fetch(`${url}/health/ready`).catch(() => null);
    if (answer?.ok) return { child, url };
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the server at ${url} is not ready after ${READY_MS} ms`);
}
