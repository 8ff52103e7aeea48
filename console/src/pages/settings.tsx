import { ListAccountSettingsCommand, PutAccountSettingDefaultCommand, type Setting } from '@aws-sdk/client-ecs'
import { CreateAccessKeyCommand, DeleteAccessKeyCommand, ListAccessKeysCommand, type AccessKey, type AccessKeyMetadata } from '@aws-sdk/client-iam'
import Alert from '@cloudscape-design/components/alert'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'

import { ecs, iam } from '../aws'
import { all, useLoad } from '../data/load'
import { Code } from '../parts/code'
import { Confirm } from '../parts/confirm'
import { ChoiceField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { List } from '../parts/list'
import { ErrorAlert, Page } from '../parts/page'
import { Since } from '../parts/since'

function Keys() {
  const tell = useFlash()
  const [selected, setSelected] = useState<AccessKeyMetadata[]>([])
  const [made, setMade] = useState<AccessKey>()
  const [removing, setRemoving] = useState(false)
  const { data, error, loading, reload } = useLoad(
    async () => (await iam().send(new ListAccessKeysCommand({}))).AccessKeyMetadata ?? [], [], c => c.kind === 'access-key' || c.kind === 'reset')
  const create = (UserName: string) =>
    iam()
      .send(new CreateAccessKeyCommand({ UserName }))
      .then(
        answer => {
          setMade(answer.AccessKey)
          reload()
        },
        (e: Error) => tell('error', e.message),
      )
  return (
    <SpaceBetween size="m">
      <ErrorAlert error={error} />
      {made && (
        <Alert type="success" dismissible onDismiss={() => setMade(undefined)} header="This is the only time that the secret is shown.">
          <Code label="New access key" text={`export AWS_ACCESS_KEY_ID=${made.AccessKeyId}\nexport AWS_SECRET_ACCESS_KEY=${made.SecretAccessKey}`} />
        </Alert>
      )}
      <List<AccessKeyMetadata>
        title="Access keys"
        noun="access key"
        items={data}
        loading={loading}
        id={k => k.AccessKeyId!}
        selected={selected}
        onSelect={setSelected}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={selected.length === 0} onClick={() => setRemoving(true)}>Delete</Button>
            <Button onClick={() => void create('agent')}>Create key for nodes</Button>
            <Button onClick={() => void create('admin')}>Create key</Button>
          </SpaceBetween>
        }
        columns={[
          { id: 'id', header: 'Access key ID', cell: k => k.AccessKeyId, isRowHeader: true },
          { id: 'user', header: 'User', cell: k => k.UserName },
          { id: 'created', header: 'Created', cell: k => <Since time={k.CreateDate} /> },
        ]}
      />
      {removing && selected[0] && (
        <Confirm
          title={`Delete ${selected[0].AccessKeyId}?`}
          action="Delete"
          close={() => setRemoving(false)}
          run={async () => {
            await iam().send(new DeleteAccessKeyCommand({ AccessKeyId: selected[0]!.AccessKeyId, UserName: selected[0]!.UserName }))
            setSelected([])
            reload()
          }}
        >
          Whoever uses it stops getting in at once.
        </Confirm>
      )}
    </SpaceBetween>
  )
}

// What can be chosen; the others are fixed, or the cloud's own.
const choices: Record<string, string[]> = {
  containerInsights: ['enhanced', 'enabled', 'disabled'],
  awsvpcTrunking: ['enabled', 'disabled'],
  fargateFIPSMode: ['enabled', 'disabled'],
  fargateTaskRetirementWaitPeriod: ['0', '7', '14'],
  defaultLogDriverMode: ['blocking', 'non-blocking'],
  tagResourceAuthorization: ['on', 'off'],
}

function SettingForm({ setting, close }: { setting: Setting; close: () => void }) {
  const [value, setValue] = useState(setting.value ?? '')
  return (
    <Confirm
      title={`Update ${setting.name}`}
      action="Save"
      close={close}
      run={async () => {
        await ecs().send(new PutAccountSettingDefaultCommand({ name: setting.name, value }))
      }}
    >
      <ChoiceField label="Value" value={value} options={choices[setting.name!] ?? []} onChange={setValue} hint="For everybody in this account who has no value of his own." />
    </Confirm>
  )
}

function Settings() {
  const [selected, setSelected] = useState<Setting[]>([])
  const [editing, setEditing] = useState(false)
  const { data, error, loading } = useLoad(
    () =>
      all<Setting>(async nextToken => {
        const answer = await ecs().send(new ListAccountSettingsCommand({ effectiveSettings: true, nextToken, maxResults: 10 }))
        return [answer.settings, answer.nextToken]
      }),
    [],
    c => c.kind === 'setting' || c.kind === 'reset',
  )
  const one = selected[0]
  return (
    <>
      <ErrorAlert error={error} />
      <List<Setting>
        title="Account settings"
        noun="setting"
        items={data}
        loading={loading}
        id={s => s.name!}
        selected={selected}
        onSelect={setSelected}
        actions={<Button disabled={!one || !choices[one.name!]} onClick={() => setEditing(true)}>Update</Button>}
        columns={[
          { id: 'name', header: 'Setting', cell: s => s.name, isRowHeader: true },
          { id: 'value', header: 'Value', cell: s => s.value },
        ]}
      />
      {editing && one && <SettingForm setting={one} close={() => setEditing(false)} />}
    </>
  )
}

export default function SettingsPage() {
  return (
    <Page title="Settings" crumbs={[{ text: 'Settings', href: '/settings' }]}>
      <SpaceBetween size="l">
        <Keys />
        <Settings />
      </SpaceBetween>
    </Page>
  )
}
