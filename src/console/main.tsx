/** Starts the console in the page. */
import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import { startPreferences } from "./api/preferences.ts";
import { createQueryClient } from "./api/queries.ts";
import { SessionProvider } from "./api/session.tsx";
import { transport } from "./api/transport.ts";
import { App } from "./app.tsx";
import { keepFocus } from "./parts/focus-keeper.ts";

const root = document.getElementById("root");
if (root) {
  startPreferences();
  keepFocus();
  createRoot(root).render(
    <TransportProvider transport={transport}>
      <QueryClientProvider client={createQueryClient()}>
        <SessionProvider>
          <App />
        </SessionProvider>
      </QueryClientProvider>
    </TransportProvider>,
  );
}
