Feature: Every end has a reason that a person understands
  Whoever finds a job ended learns from one command what happened, who did it, when, and what the job said last.

  @signals
  Scenario: A job that is killed by somebody
    Given a worker with 1 slot
    When the operator enqueues a job that is killed by signal 9
    Then within 5 seconds the job is failed because "signalled"
    And explaining the job says "ended by SIGKILL (agentsd did not send it: somebody on this machine did, or the kernel)"
    And explaining the job says "the last line before the crash"

  Scenario: A job that crashes in native code
    Given a worker with 1 slot
    When the operator enqueues a job that runs
      """
      import ctypes
      def read_the_sensor():
          ctypes.string_at(0)
      read_the_sensor()
      """
    Then within 5 seconds the job is failed because "signalled"
    And explaining the job says "a crash in native code"
    And explaining the job says "in read_the_sensor"

  @signals
  Scenario: A job that hangs where nothing can interrupt it
    Given a worker that gives jobs 1 second to stop
    When the operator enqueues a job that hangs in native code, with a limit of 1 second
    Then within 8 seconds the job is failed because "timeout"
    And explaining the job says "It ran longer than its timeout of 1 s; it did not end when it was asked to, and was killed at"
    And explaining the job says "in hang_native"
    And explaining the job says "To end it: TERM at"

  Scenario: A job that was cancelled
    Given a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    When the operator cancels the job, saying "wrong branch"
    Then within 5 seconds the job is cancelled because "cancelled"
    And explaining the job says "wrong branch"

  Scenario: A job that has not ended
    Given a worker with 1 slot
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    Then explaining the job says "A cancel would end these 4 processes:"
    And explaining the job says "sleep 600"
    When the operator cancels the job, saying "seen enough"
    Then within 5 seconds the job is cancelled because "cancelled"

  Scenario Outline: What one job may use is limited
    Given jobs are limited to <limit>
    And a worker with 1 slot
    When the operator enqueues a job that runs
      """
      while True:
          <deed>
      """
    Then within 20 seconds the job is failed because "<reason>"
    And explaining the job says "<key>"

    Examples:
      | limit                      | deed               | reason        | key                |
      | 1 s of CPU                 | pass               | signalled     | async.cpu_limit    |
      | 512 MiB of memory          | kept = b'x' * 2**30 | handler_error | async.memory_limit |
      | 64 KiB of output           | print('x' * 1000)  | output_limit  | async.log_limit    |
