import { defineConfig } from "vite";

// Two pages from one build: `dispatch.html`, and `track.js` for the customer's page, which the hub renders itself under a fixed name.
export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  build: {
    outDir: "../../hub/roundsman_hub/web",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 1500, // MapLibre is one file of 1 MB; it is loaded once and kept
    rollupOptions: {
      input: { dispatch: "dispatch.html", track: "src/track/track.ts" },
      output: { entryFileNames: (entry) => (entry.name === "track" ? "assets/track.js" : "assets/[name]-[hash].js") },
    },
  },
});
