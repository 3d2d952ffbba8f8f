import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Relative addresses: the page works below any path.
export default defineConfig({ base: './', plugins: [react()], build: { assetsInlineLimit: 0 } });
