import { defineConfig } from "vite";

/* One script, one style sheet, names by content; everything else is in them. No inline script or style: the collector's
 * Content-Security-Policy allows none. */
export default defineConfig({
  base: "/",
  build: {
    outDir: "dist/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
  },
  server: { proxy: { "/api": "http://localhost:16686" } },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
});
