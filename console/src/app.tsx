import { lazy, Suspense } from 'react'
import { BrowserRouter, Navigate, Route, Routes } from 'react-router-dom'

import { Missing } from './pages/missing'
import { SignIn } from './pages/sign-in'
import { Loading } from './parts/loading'
import { Shell } from './parts/shell'
import { useSession } from './session'

const Alarm = lazy(() => import('./pages/alarm'))
const Alarms = lazy(() => import('./pages/alarms'))
const Balancer = lazy(() => import('./pages/balancer'))
const Balancers = lazy(() => import('./pages/balancers'))
const Cluster = lazy(() => import('./pages/cluster'))
const ClusterCreate = lazy(() => import('./pages/cluster-create'))
const Clusters = lazy(() => import('./pages/clusters'))
const Family = lazy(() => import('./pages/family'))
const Instance = lazy(() => import('./pages/instance'))
const LogGroup = lazy(() => import('./pages/log-groups').then(m => ({ default: m.LogGroupPage })))
const LogGroups = lazy(() => import('./pages/log-groups'))
const Networks = lazy(() => import('./pages/networks'))
const ScalingGroup = lazy(() => import('./pages/scaling-group'))
const ScalingGroups = lazy(() => import('./pages/scaling-groups'))
const SecurityGroup = lazy(() => import('./pages/security-group'))
const Service = lazy(() => import('./pages/service'))
const ServiceCreate = lazy(() => import('./pages/service-create'))
const Settings = lazy(() => import('./pages/settings'))
const Task = lazy(() => import('./pages/task'))
const TaskDefinition = lazy(() => import('./pages/task-definition'))
const TaskDefinitionCreate = lazy(() => import('./pages/task-definition-create'))
const TaskDefinitions = lazy(() => import('./pages/task-definitions'))
const TaskRun = lazy(() => import('./pages/task-run'))

export function App() {
  const session = useSession()
  if (!session) return <SignIn />
  return (
    <BrowserRouter basename="/console">
      <Shell>
        <Suspense fallback={<Loading />}>
          <Routes>
            <Route path="/clusters" element={<Clusters />} />
            <Route path="/clusters/create" element={<ClusterCreate />} />
            <Route path="/clusters/:cluster/:tab?" element={<Cluster />} />
            <Route path="/clusters/:cluster/services/create" element={<ServiceCreate />} />
            <Route path="/clusters/:cluster/services/:service/:tab?" element={<Service />} />
            <Route path="/clusters/:cluster/instances/:instance" element={<Instance />} />
            <Route path="/clusters/:cluster/tasks/run" element={<TaskRun />} />
            <Route path="/clusters/:cluster/tasks/:task" element={<Task />} />
            <Route path="/alarms" element={<Alarms />} />
            <Route path="/alarms/:name" element={<Alarm />} />
            <Route path="/load-balancers" element={<Balancers />} />
            <Route path="/load-balancers/:name" element={<Balancer />} />
            <Route path="/logs" element={<LogGroups />} />
            <Route path="/logs/:group" element={<LogGroup />} />
            <Route path="/networks/groups/:group" element={<SecurityGroup />} />
            <Route path="/networks/:tab?" element={<Networks />} />
            <Route path="/scaling-groups" element={<ScalingGroups />} />
            <Route path="/scaling-groups/:name" element={<ScalingGroup />} />
            <Route path="/settings" element={<Settings />} />
            <Route path="/task-definitions" element={<TaskDefinitions />} />
            <Route path="/task-definitions/create" element={<TaskDefinitionCreate />} />
            <Route path="/task-definitions/:family" element={<Family />} />
            <Route path="/task-definitions/:family/:revision" element={<TaskDefinition />} />
            <Route path="/" element={<Navigate to="/clusters" replace />} />
            <Route path="*" element={<Missing />} />
          </Routes>
        </Suspense>
      </Shell>
    </BrowserRouter>
  )
}
