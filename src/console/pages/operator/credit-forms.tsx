/** Credit that is given to a project, and charges that are given back. */
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { TextField } from "../../parts/field.tsx";
import { money } from "../../parts/figures.ts";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { usages } from "./installations.ts";

const MICROS = 1_000_000n;

/** Gives credit. A repeat of the call, as after a broken connection, gives nothing twice. */
export function CreditForm({ project }: { readonly project: string }) {
  const queries = useQueryClient();
  const [amount, setAmount] = useState("");
  const [note, setNote] = useState("");
  const [requestId, setRequestId] = useState(() => crypto.randomUUID());
  const balance = useQuery(UsageService.method.getBalance, { name: project });
  const submit = useSubmit(async () => {
    await usages.addCredit({ project, amountMicros: readMicros(amount), note, requestId });
    setRequestId(crypto.randomUUID());
    setAmount("");
    setNote("");
    await queries.invalidateQueries();
  });
  return (
    <Form submit={submit} label="Give credit">
      <Loaded query={balance}>
        {(answer) => <p role="status">Left: {money(answer.balance?.balanceMicros)}</p>}
      </Loaded>
      <div className="row">
        <TextField
          label="Credit"
          hint="Such as 12.50."
          value={amount}
          onChange={setAmount}
          fault={faultAt(submit.faults, "amount_micros")}
        />
        <TextField
          label="Note on the credit"
          optional
          value={note}
          onChange={setNote}
          fault={faultAt(submit.faults, "note")}
        />
      </div>
    </Form>
  );
}

/** Gives back what authenticated records of a day had cost. */
export function RefundForm({ project }: { readonly project: string }) {
  const queries = useQueryClient();
  const [stream, setStream] = useState("");
  const [day, setDay] = useState("");
  const [records, setRecords] = useState("");
  const [note, setNote] = useState("");
  const [requestId, setRequestId] = useState(() => crypto.randomUUID());
  const submit = useSubmit(async () => {
    const name = stream.includes("/") ? stream : `${project}/streams/${stream}`;
    await usages.refund({ stream: name, day, records: readCount(records), note, requestId });
    setRequestId(crypto.randomUUID());
    setRecords("");
    await queries.invalidateQueries();
  });
  const fault = (field: string) => faultAt(submit.faults, field);
  return (
    <Form submit={submit} label="Refund">
      <p>Records that were taken without authentication are not refunded.</p>
      <div className="row">
        <TextField label="Stream" value={stream} onChange={setStream} fault={fault("stream")} />
        <TextField
          label="Day"
          hint="UTC, such as 2026-01-31."
          value={day}
          onChange={setDay}
          fault={fault("day")}
        />
        <TextField label="Records" value={records} onChange={setRecords} fault={fault("records")} />
        <TextField
          label="Note on the refund"
          optional
          value={note}
          onChange={setNote}
          fault={fault("note")}
        />
      </div>
    </Form>
  );
}

/** Millionths, without a detour over floating point. */
function readMicros(text: string): bigint {
  const [, whole, part = ""] = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim()) ?? [];
  if (whole === undefined) throw new Error(`“${text}” is no amount such as 12.50`);
  return BigInt(whole) * MICROS + BigInt(part.padEnd(6, "0"));
}

function readCount(text: string): bigint {
  if (!/^\d{1,15}$/.test(text.trim())) throw new Error(`“${text}” is no number of records`);
  return BigInt(text.trim());
}
