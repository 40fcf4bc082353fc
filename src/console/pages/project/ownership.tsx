/** How the project proves that the hosts of its webhooks are its own. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  type OwnershipSettings,
  OwnershipSettingsSchema,
} from "#gen/tributary/management/v1/ownership_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { transport } from "../../api/transport.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { CopyLine } from "../../parts/copy.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";

const projects = createClient(ProjectService, transport);
const CHANGED = ["requirement", "host_prefix", "value_prefix"];

/** The card. */
export function Ownership({ project }: { readonly project: string }) {
  const name = `${project}/ownershipSettings`;
  const query = useQuery(ProjectService.method.getOwnershipSettings, { name });
  return (
    <section className="card stack" aria-labelledby="ownership-title">
      <h2 id="ownership-title">Proof of webhook hosts</h2>
      <Loaded query={query}>
        {({ settings }) =>
          settings && (
            <>
              <Proofs settings={settings} />
              <OwnershipForm key={settings.etag} settings={settings} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

/** What to put where, filled in. */
function Proofs({ settings }: { readonly settings: OwnershipSettings }) {
  const { hostPrefix, valuePrefix, verificationKey, rotateTime } = settings;
  return (
    <>
      <p>
        Either of these proves that a host is yours. The key was made <Time at={rotateTime} />.
      </p>
      <h3>By DNS: a TXT record at {hostPrefix}.your-host with this value</h3>
      <CopyLine text={`${valuePrefix}${verificationKey}`} what="the value of the TXT record" />
      <h3>By GET: the address of the webhook answers with exactly this text</h3>
      <CopyLine text={verificationKey} what="the verification key" />
    </>
  );
}

function OwnershipForm({ settings }: { readonly settings: OwnershipSettings }) {
  const queries = useQueryClient();
  const { name, etag } = settings;
  const [input, setInput] = useState(() => toJson(OwnershipSettingsSchema, settings) as JsonObject);
  const submit = useSubmit(async () => {
    const changed = fromJson(OwnershipSettingsSchema, input);
    await projects.updateOwnershipSettings({
      settings: { ...changed, name, etag },
      updateMask: { paths: CHANGED },
    });
    await queries.invalidateQueries();
  });
  const rotate = async () => {
    await projects.rotateVerificationKey({ name });
    await queries.invalidateQueries();
  };
  return (
    <Form
      submit={submit}
      label="Save the proof"
      beside={
        <ConfirmButton
          label="Make a new key"
          title="Make a new verification key?"
          text="The key of now proves nothing any more: put the new one in place before the next webhook is saved."
          confirm="Make it"
          call={rotate}
        />
      }
    >
      <MessageForm
        desc={OwnershipSettingsSchema}
        only={CHANGED}
        value={input}
        onChange={setInput}
        path="settings"
        faults={submit.faults}
      />
    </Form>
  );
}
