/** What a stream, source or sink was: each change with its author, what differs, and the way back. */
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  DefinitionVersion_Action as Action,
  type DefinitionVersion,
} from "#gen/tributary/management/v1/version_pb.js";
import { VersionService } from "#gen/tributary/management/v1/version_service_pb.js";
import { PAGES } from "../api/queries.ts";
import { transport } from "../api/transport.ts";
import { ConfirmButton } from "./confirm.tsx";
import { SecretBox } from "./copy.tsx";
import { DifferenceTable } from "./difference-table.tsx";
import { MoreButton } from "./more.tsx";
import { Loaded } from "./note.tsx";
import { Time } from "./time.tsx";

const versions = createClient(VersionService, transport);

const ACTIONS: Readonly<{ [A in Action]: string }> = {
  [Action.ACTION_UNSPECIFIED]: "Changed",
  [Action.CREATE]: "Made",
  [Action.UPDATE]: "Changed",
  [Action.DELETE]: "Deleted",
  [Action.UNDELETE]: "Brought back",
};

/** The list, newest first. */
export function Versions({ name }: { readonly name: string }) {
  const [secret, setSecret] = useState("");
  const query = useInfiniteQuery(
    VersionService.method.listVersions,
    { parent: name, pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="versions-title">
      <h2 id="versions-title">Versions</h2>
      {secret && (
        <SecretBox what="New secret of the source" secret={secret} onDone={() => setSecret("")} />
      )}
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.versions);
          return (
            <ul className="stack plain">
              {all.map((version, at) => (
                <li className="card stack" key={version.name}>
                  <Version name={name} version={version} isNewest={at === 0} onSecret={setSecret} />
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function Version(props: {
  readonly name: string;
  readonly version: DefinitionVersion;
  readonly isNewest: boolean;
  readonly onSecret: (secret: string) => void;
}) {
  const { name, version, isNewest, onSecret } = props;
  const queries = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const restore = async () => {
    const { secret } = await versions.restoreVersion({ name: version.name });
    onSecret(secret);
    await queries.invalidateQueries();
  };
  return (
    <>
      <h3>
        Version {String(version.number)} {isNewest && <span className="badge good">Now</span>}
      </h3>
      <p>
        {ACTIONS[version.action]} <Time at={version.createTime} /> by{" "}
        {version.author || "the server"}
      </p>
      {version.number > 1n && (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>What it changed</summary>
          {isOpen && <Changes name={name} to={version.number} />}
        </details>
      )}
      {!isNewest && (
        <div>
          <ConfirmButton
            label={`Go back to version ${version.number}`}
            title={`Go back to version ${version.number}?`}
            text="Its definition becomes the newest version. What was delivered or stored stays as it is."
            confirm="Go back"
            call={restore}
          />
        </div>
      )}
    </>
  );
}

function Changes({ name, to }: { readonly name: string; readonly to: bigint }) {
  const query = useQuery(VersionService.method.compareVersions, {
    parent: name,
    from: to - 1n,
    to,
  });
  return (
    <Loaded query={query}>
      {({ changes }) =>
        changes.length === 0 ? (
          <p>Nothing that can be shown, such as a secret alone.</p>
        ) : (
          <DifferenceTable changes={changes} titles={["Before", "After"]} none="not set" />
        )
      }
    </Loaded>
  );
}
