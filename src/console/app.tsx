/** Frame and routes of the console. */
import { Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useRoute } from "wouter";
import { useReach } from "./api/reach.ts";
import { accounts, useSession } from "./api/session.tsx";
import { Invitation } from "./pages/people/invitation.tsx";
import { linkSecret } from "./pages/people/link-secret.ts";
import { SignIn } from "./pages/people/sign-in.tsx";
import { Projects } from "./pages/projects.tsx";
import { Announcer } from "./parts/announcer.tsx";
import { Boundary, later } from "./parts/later.tsx";
import { Loading, Note } from "./parts/note.tsx";
import { Page } from "./parts/page.tsx";
import { TopBar } from "./parts/top-bar.tsx";

const Project = later(() => import("./pages/project/project.tsx"));
const NewStream = later(() => import("./pages/stream/new-stream.tsx"));
const Stream = later(() => import("./pages/stream/stream.tsx"));
const Account = later(() => import("./pages/people/account.tsx"));
const Docs = later(() => import("./pages/docs/docs.tsx"));
const Operator = later(() => import("./pages/operator.tsx"));

const PROBE_MS = 2_000;

/** The whole console. */
export function App() {
  const { me } = useSession();
  const [isDocs] = useRoute("/docs/:service?/:method?");
  const isNarrow = !me && !isDocs;
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <ReachBanner />
      <TopBar />
      <Announcer />
      <main id="main" className={isNarrow ? "narrow" : undefined}>
        <Boundary>
          <Suspense fallback={<Loading />}>
            {isDocs ? (
              <DocsRoute />
            ) : me === undefined ? (
              <Loading what="Asking who you are" />
            ) : me ? (
              <Pages />
            ) : (
              <SignedOut />
            )}
          </Suspense>
        </Boundary>
      </main>
    </>
  );
}

/** The reference is open to everybody. */
function DocsRoute() {
  return <Route path="/docs/:service?/:method?" component={Docs} />;
}

function SignedOut() {
  return linkSecret("invitation") ? <Invitation /> : <SignIn />;
}

function Pages() {
  if (linkSecret("invitation")) return <Invitation />;
  return (
    <Switch>
      <Route path="/" component={Projects} />
      <Route path="/account" component={Account} />
      <Route path="/operator/:part?" component={Operator} />
      <Route path="/projects/:p/new-stream" component={NewStream} />
      <Route path="/projects/:p/streams/:s/:part?/:id?/:more?/:last?" component={Stream} />
      <Route path="/projects/:p/:part?" component={Project} />
      <Route path="/projects">
        <Redirect to="/" />
      </Route>
      <Route>
        <Page title="Nothing here">
          <Note>This address shows nothing. Use the links above.</Note>
        </Page>
      </Route>
    </Switch>
  );
}

function ReachBanner() {
  const isReached = useReach();
  useEffect(() => {
    if (isReached) return;
    // A page that asks for nothing by itself would not notice that the server is back.
    const timer = setInterval(() => {
      void accounts.getSignUpOptions({}).catch(() => undefined);
    }, PROBE_MS);
    return () => clearInterval(timer);
  }, [isReached]);
  return (
    <div className="banner" role="status">
      {isReached
        ? ""
        : "The server does not answer. The console keeps trying; what you typed stays."}
    </div>
  );
}
