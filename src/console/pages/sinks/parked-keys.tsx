/** Keys whose records wait because one of them is held. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import {
  DeliveryService,
  type ParkedKey,
} from "#gen/tributary/management/v1/delivery_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import type { HeldCommands } from "./held-commands.ts";
import type { HeldSelection } from "./held-preview.tsx";

const REFRESH_MS = 3_000;

interface KeyCommands {
  readonly sink: string;
  readonly commands: HeldCommands;
  readonly onCompare: (selection: HeldSelection) => void;
}

/** The list: each key goes on when what it waits for is replayed or given up. */
export function ParkedKeys({ sink, ...rest }: KeyCommands) {
  const query = useInfiniteQuery(
    DeliveryService.method.listParkedKeys,
    { parent: sink, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: REFRESH_MS,
    },
  );
  return (
    <section className="card stack" aria-labelledby="parked-title">
      <h2 id="parked-title">Keys that wait</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const keys = pages.flatMap((page) => page.parkedKeys);
          if (keys.length === 0) {
            return (
              <p>None. A key waits here while a record of it is held, so its order is kept.</p>
            );
          }
          return (
            <>
              <p>
                {(pages[0]?.totalCount ?? keys.length).toLocaleString()} keys wait, so that their
                order is kept; all others go on.
              </p>
              <PlainTable
                titles={[
                  "Key (hash)",
                  "Partition",
                  "Waits from place",
                  "For held records",
                  "What to do",
                ]}
              >
                {keys.map((parked) => (
                  <KeyRow key={`${parked.partition}-${parked.keyHash}`} {...{ parked }} {...rest} />
                ))}
              </PlainTable>
            </>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function KeyRow(props: Omit<KeyCommands, "sink"> & { readonly parked: ParkedKey }) {
  const { parked, commands, onCompare } = props;
  const { partition, keyHash, firstPlace, resuming, heldPlaces } = parked;
  const hash = keyHash.toString(16).padStart(8, "0");
  const selection = { places: heldPlaces, reason: "" };
  return (
    <tr>
      <th scope="row">
        <code>{hash}</code>
      </th>
      <td>{partition}</td>
      <td>
        <code>{firstPlace}</code>
      </td>
      <td>
        <code>{heldPlaces.join(" ")}</code>
      </td>
      <td>
        {/* No places would mean all that is held. */}
        {resuming || heldPlaces.length === 0 ? (
          "Its records are being delivered"
        ) : (
          <div className="actions">
            <button type="button" onClick={() => onCompare(selection)}>
              Compare <span className="unseen">key {hash}</span>
            </button>
            <ActionButton label="Retry the key" call={() => commands.replay(selection)} />
            <ConfirmButton
              label="Skip"
              name={`Skip what key ${hash} waits for`}
              title="Skip the held records of this key?"
              text="They are given up for this sink and counted as discarded; the later records of the key are delivered. The stream keeps them."
              question="Why, for the audit log"
              confirm="Skip them"
              call={(note) => commands.discard(selection, note)}
            />
          </div>
        )}
      </td>
    </tr>
  );
}
