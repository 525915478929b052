from deep_faker.exports.relbench import Task as Task
