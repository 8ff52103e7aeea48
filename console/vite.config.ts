import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The server serves the result under /console; `npm run dev` passes everything else on to one that runs on this machine.
const server = process.env.GANTRY_SERVER ?? 'http://127.0.0.1:4327'

export default defineConfig({
  base: '/console/',
  plugins: [react()],
  build: {
    outDir: process.env.CONSOLE_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Strict content security policy: nothing inline, no data: scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  // The host that the browser signed for stays in the request.
  server: { proxy: { '^/(?!console/)|^/console/(code|session)$': { target: server, changeOrigin: false } } },
})
