import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `npm run dev` shows the sources against a server that runs elsewhere.
const server = process.env["BELLWETHER_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    cssTarget: "chrome123", // colours by light-dark() stay as they are written
    assetsInlineLimit: 0, // the content security policy knows no data: but for images
    modulePreload: { polyfill: false },
    rollupOptions: { input: { index: "index.html", docs: "docs.html" } },
  },
  server: { proxy: { "/api": server, "/openapi.json": server } },
});
