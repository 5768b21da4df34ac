*** Settings ***
Documentation       The installed product, end to end: what is typed at a terminal, and what is left afterwards.
Resource            resources/agents.resource

Test Setup          Open A New Home
Test Teardown       Close The Home


*** Test Cases ***
The Demo Succeeds And Leaves Nothing Behind
    ${output}    Run Agents    demo    at_most=20
    Should Contain    ${output}    +++ b/
    Temporary Directory Should Be Empty

An Interrupted Demo Leaves Nothing Behind
    The Demo Is Interrupted
    Terminal Should End    exit_code=130    within=10
    Temporary Directory Should Be Empty

A Plan Becomes An Applied Change
    Set Option    async.enabled    true
    A Worker Runs In A Terminal
    ${plan}    Make Project With Plan
    The Worker Runs The Plan's Phase    execute    ${plan}
    ${diff}    Run Agents    plan    diff    ${plan}
    Should Contain    ${diff}    +2.0
    Project File Should Be    VERSION    1.0
    The Worker Runs The Plan's Phase    apply    ${plan}
    Project File Should Be    VERSION    2.0

Ctrl-C Lets The Running Job Finish
    A Worker Runs In A Terminal
    Start Job That Waits
    Press Control C
    Open Gate
    Terminal Should End    exit_code=0    within=10
    Job Should Have Ended    succeeded    completed

Further Ctrl-C Ends Even A Stubborn Job
    A Worker Runs In A Terminal
    Start Job With Stubborn Processes
    Press Control C
    Terminal Should Show    stopping    within=5
    Press Control C
    Terminal Should End    exit_code=0    within=10
    Job Should Have Ended    failed    interrupted
    No Process Of The Job Should Be Left

Closing The Terminal Stops The Worker
    Set Option    async.shutdown_grace    1
    A Worker Runs In A Terminal
    Start Job With Stubborn Processes
    Close Terminal
    Terminal Should End    exit_code=0    within=10
    No Process Of The Job Should Be Left

A Cancelled Job Leaves No Process
    A Worker Runs In A Terminal
    ${job}    Start Job With Stubborn Processes
    The Job Is Cancelled    ${job}    not this branch
    No Process Of The Job Should Be Left
    ${shown}    Run Agents    job    explain    ${job}
    Should Contain    ${shown}    not this branch

Diagnostics Find Nothing Wrong In A New Home
    ${found}    Ask Agents    diagnostics
    Should Be Empty    ${found}[workers]

Diagnostics List The Worker And Its Processes
    A Worker Runs In A Terminal    --max-workers    3
    ${job}    Start Job That Waits
    ${output}    Run Agents    diagnostics
    Should Contain    ${output}    agents worker
    Should Contain    ${output}    ${job}
    Open Gate
    Job Should Have Ended    succeeded    completed
