module github.com/oliverbestmann/webgpu/libs-android

go 1.26
