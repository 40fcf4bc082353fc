/** The sources of a stream: addresses for senders that speak no API. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { CARD_PAGE, CardList } from "../../parts/card-list.tsx";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { CopyLine, SecretBox } from "../../parts/copy.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { authenticationTitle, sources } from "./authentications.ts";
import { NewSource } from "./new-source.tsx";
import { Quarantine } from "./quarantine.tsx";
import { SourceDetails } from "./source-details.tsx";
import type { StreamPart } from "./stream.tsx";

const CARD_HEIGHT = 300;
const nameOf = ({ name }: Source) => name;

/** The part "Sources". */
export default function Sources({ stream, id, more }: StreamPart) {
  if (id === "new") return <NewSource stream={stream.name} />;
  if (id) return <SourceDetails name={`${stream.name}/sources/${id}`} part={more} />;
  return <SourceList stream={stream.name} />;
}

function SourceList({ stream }: { readonly stream: string }) {
  const [made, setMade] = useState<Made>();
  const query = useInfiniteQuery(
    SourceService.method.listSources,
    { parent: stream, pageSize: CARD_PAGE, pageToken: "" },
    PAGES,
  );
  return (
    <>
      <div>
        <Link href={`/${stream}/sources/new`} className="button primary">
          Add source
        </Link>
      </div>
      {made && (
        <SecretBox
          key={made.secret}
          what={`New secret of ${made.title}`}
          secret={made.secret}
          onDone={() => setMade(undefined)}
        />
      )}
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.sources);
          if (all.length === 0) {
            return (
              <Empty title="No source yet">
                <p>
                  A source is an address that takes webhooks, device messages and plain POSTs from
                  senders that know nothing of Tributary. Add one, and give its address to the
                  sender.
                </p>
              </Empty>
            );
          }
          return (
            <CardList
              label="Sources, newest first"
              items={all}
              keyOf={nameOf}
              heightOfOne={CARD_HEIGHT}
              more={query}
            >
              {(source) => <SourceCard source={source} onMade={setMade} />}
            </CardList>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

/** A new key, for the one time that it is shown: above the list, where scrolling does not end it. */
interface Made {
  readonly title: string;
  readonly secret: string;
}

function SourceCard(props: { readonly source: Source; readonly onMade: (made: Made) => void }) {
  const { source, onMade } = props;
  const { name, stats } = source;
  const queries = useQueryClient();
  const title = source.displayName || name;
  return (
    <article className="card stack">
      <h2>{title}</h2>
      {source.warning && <Note kind="warn">{source.warning}</Note>}
      <CopyLine text={source.url} what={`the address of ${title}`} />
      <dl>
        <dt>Authentication</dt>
        <dd>{authenticationTitle(source.authentication.case)}</dd>
        <dt>Keys</dt>
        <dd>
          {source.keys.map((key) => (
            <p key={key.keyId}>
              {key.hint}… made <Time at={key.createTime} />, last used{" "}
              <Time at={key.lastUsedTime} />
            </p>
          ))}
          {source.keys.length === 0 && "none"}
        </dd>
        <dt>Senders</dt>
        <dd>{source.allowedAddresses.join(", ") || "any address"}</dd>
        <dt>Taken</dt>
        <dd>
          {String(stats?.records ?? 0)} records, {String(stats?.refused ?? 0)} requests refused,
          last <Time at={stats?.lastTime} />
        </dd>
      </dl>
      <div className="actions">
        <Link href={`/${name}`}>
          Settings <span className="unseen">of {title}</span>
        </Link>
        <Link href={`/${name}/test`}>
          Try a request <span className="unseen">to {title}</span>
        </Link>
        <Link href={`/${name}/versions`}>
          Versions <span className="unseen">of {title}</span>
        </Link>
        {source.keys.length > 0 && (
          <ActionButton
            label="Make a new key"
            call={async () => {
              const { secret } = await sources.rotateSourceKey({ name });
              onMade({ title, secret });
              await queries.invalidateQueries();
            }}
          />
        )}
        <ConfirmButton
          label="Delete"
          name={`Delete ${title}`}
          title={`Delete ${title}?`}
          text="Its address answers 404 from then on. The records that it took stay. It can be brought back within 7 days, from the project's page Deleted."
          confirm="Delete the source"
          call={async () => {
            await sources.deleteSource({ name });
            await queries.invalidateQueries();
          }}
        />
      </div>
      {source.quarantine && <Quarantine source={name} />}
    </article>
  );
}
