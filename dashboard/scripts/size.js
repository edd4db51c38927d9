// What a browser loads before the first page is there: index.html with its scripts and style sheets, as gzip.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const DIST = process.argv[2] ?? "dist";
const MAX_BYTES = 120_000;

const html = readFileSync(`${DIST}/index.html`, "utf8");
const files = new Set(["index.html", ...[...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, path]) => path)]);
// What a script imports at its start is loaded with it; `import("…")` is not.
for (const file of files) {
  if (!file.endsWith(".js")) continue;
  const text = readFileSync(`${DIST}/${file}`, "utf8");
  for (const [, path] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) files.add(`assets/${path}`);
}

let total = 0;
for (const file of files) {
  const bytes = gzipSync(readFileSync(`${DIST}/${file}`), { level: 9 }).length;
  total += bytes;
  console.log(`${String(bytes).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  first load, of ${MAX_BYTES} at most`);
if (total > MAX_BYTES) process.exit(1);
