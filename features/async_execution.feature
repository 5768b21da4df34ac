Feature: Commands run in the background
  Whoever runs agents enqueues work and goes on; a worker picks it up, runs it in a process of its own,
  and every job ends in a way that a person understands, with nothing of it left running.

  Scenario: A job waits until a worker comes
    When the operator enqueues a job that says "hello"
    Then the job is queued
    And the operator is told that no worker is running

  Scenario: A worker picks a job up at once
    Given a worker that looks for jobs every 30 seconds by itself
    When the operator enqueues a job that says "hello"
    Then within 5 seconds the job is succeeded because "completed"
    And it began within 1 second of being enqueued
    And its result is "hello"
    And its history is "queued, running, succeeded"

  Scenario: No more jobs run at once than the worker has slots
    Given a worker with 2 slots
    When the operator enqueues 5 jobs that wait for each other
    Then within 5 seconds 2 jobs are running
    And 3 jobs are queued
    And each running job has a process of its own

  Scenario: A job that was not begun is cancelled on the spot
    Given a queued job
    When the operator cancels the job, saying "not needed"
    Then the job is cancelled because "cancelled_before_start"
    And its history names the operator and "not needed"

  @signals
  Scenario: Cancelling a job ends every process it started
    Given a worker that gives jobs 1 second to stop
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    When the operator cancels the job, saying "wrong branch"
    Then within 2 seconds the job is cancelled because "cancelled"
    And none of its processes is left
    And its history names the operator and "wrong branch"

  @signals
  Scenario: A job that cannot be interrupted is stopped at its time limit
    Given a worker that gives jobs 1 second to stop
    When the operator enqueues a job that hangs in native code, with a limit of 1 second
    Then within 5 seconds the job is failed because "timeout"
    And waiting for the job exits with 124

  @signals
  Scenario: A killed worker leaves nothing running
    Given a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    When the worker is killed
    Then within 2 seconds none of its processes is left

  @signals
  Scenario: The job of a lost worker is ended by the next worker
    Given a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    And the worker and its spawner were killed in the same instant
    When another worker is started
    Then within 5 seconds the job is failed because "worker_lost"
    And none of its processes is left

  @signals @slow
  Scenario: The job of a silent worker is reaped by another worker
    Given jobs count as stuck after 1 second of silence
    And a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    And another worker
    When the first worker is frozen
    Then within 15 seconds the job is failed because "stuck"
    And none of its processes is left

  @signals @slow
  Scenario: What a reaped job delivers too late is dropped
    Given jobs count as stuck after 1 second of silence
    And a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    And another worker has reaped the job, because the first worker was frozen
    When the first worker goes on
    Then within 10 seconds its history says "late result"
    And the job is failed because "stuck"

  @signals
  Scenario: A killed job says what killed it
    Given a worker with 1 slot
    When the operator enqueues a job that is killed by signal 9
    Then within 5 seconds the job is failed because "signalled"
    And its record names "SIGKILL" and its last line of output

  Scenario: What has ended cannot be cancelled
    Given a worker with 1 slot
    And a job that has succeeded
    When the operator cancels the job, saying "too late"
    Then the command exits with 4 and says "succeeded"
    And the job is succeeded

  Scenario: Not even the database can be talked into an invalid transition
    Given a worker with 1 slot
    And a job that has succeeded
    When somebody sets the job back to running in the database
    Then the database refuses
    And the job is succeeded

  Scenario: With async commands off, a plan runs in the foreground
    Given async commands are off
    And a project with a plan
    When the operator executes the plan
    Then the command exits with 0
    And the plan's job is succeeded
    And the plan is ready

  Scenario: With async commands on, a plan is enqueued
    Given async commands are on
    And a project with a plan
    When the operator executes the plan
    Then the command exits with 0
    And the plan's job is queued
    And the operator is told that no worker is running

  Scenario: Old jobs and their output are pruned
    Given a worker with 1 slot
    And a job that has succeeded
    When the operator prunes everything that has ended
    Then nobody knows the job any more
    And its output is gone

  Scenario: A worker prunes what is older than the retention
    Given finished jobs are kept for 1 second
    And a worker with 1 slot
    When the operator enqueues a job that says "hello"
    Then within 20 seconds the job is gone

  Scenario: A job written by a newer version waits for a newer worker
    Given a worker with 1 slot
    And a job from a newer version
    When the operator enqueues a job that says "hello"
    Then within 5 seconds the newest job is succeeded
    And the job is queued
    And explaining the job says "newer"
